"""The participant's pages: landing, consent, attributes, instructions, comparisons, end."""

from survey.web.participate import attributes, choosing, comparisons, forms, landing, leaving, standing
from survey.web.participate.common import blueprint

__all__ = ["attributes", "blueprint", "choosing", "comparisons", "forms", "landing", "leaving", "standing"]
