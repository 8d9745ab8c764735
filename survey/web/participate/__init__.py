"""The participant's pages: landing, consent, attributes, instructions, comparisons, end."""

from survey.web.participate import attributes, views
from survey.web.participate.common import blueprint

__all__ = ["attributes", "blueprint", "views"]
