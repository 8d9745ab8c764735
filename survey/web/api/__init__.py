"""The JSON API for programs, with bearer tokens; and the page that describes it."""

from survey.web.api import page, views
from survey.web.api.routes import blueprint

__all__ = ["blueprint", "page", "views"]
