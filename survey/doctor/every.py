"""All checks, in the order in which they are told."""

from __future__ import annotations

from survey.doctor import answers, attributes, choosing, coding, draws, people, storage

CHECKS = (
    *storage.CHECKS,
    *answers.CHECKS,
    *people.CHECKS,
    *draws.CHECKS,
    *choosing.CHECKS,
    *attributes.CHECKS,
    *coding.CHECKS,
)
