"""The researcher's pages: studies, figures, participants, payment, downloads; accounts, tokens, audit log."""

from survey.web.research import accounts, downloads, figures, payment, people, sessions, views
from survey.web.research.views import blueprint

__all__ = ["accounts", "blueprint", "downloads", "figures", "payment", "people", "sessions", "views"]
