"""The researcher's pages for coding: list, categories, agreement, adjudication, results, design, audit."""

from survey.web.research.coding import (
    adjudication,
    audit,
    categories,
    codebook,
    design,
    grouping,
    listing,
    one,
    results,
)

__all__ = [
    "adjudication",
    "audit",
    "categories",
    "codebook",
    "design",
    "grouping",
    "listing",
    "one",
    "results",
]
