"""The researcher's pages: studies, one study's figures, downloads."""

from survey.web.research.views import blueprint

__all__ = ["blueprint"]
