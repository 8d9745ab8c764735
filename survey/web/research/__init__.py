"""The researcher's pages: studies, figures, participants, payment, coding, files; accounts, tokens, audit log."""

from survey.web.research import accounts, coding, downloads, figures, payment, people, sessions, views
from survey.web.research.views import blueprint

__all__ = [
    "accounts",
    "blueprint",
    "coding",
    "downloads",
    "figures",
    "payment",
    "people",
    "sessions",
    "views",
]
