"""The participant's pages: landing, consent, instructions, comparisons, end."""

from survey.web.participate.views import blueprint

__all__ = ["blueprint"]
