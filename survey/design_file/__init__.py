"""``design.toml``: read, checked, every complaint with line and key.

``tables`` and ``participation_tables`` check each table by itself (``fields``: what they are made of). ``reading``
leads from the tables to the domain. ``checks`` and ``words`` judge what several tables must agree on.
``complaints`` says what is wrong and where.
"""

from survey.design_file.reading import (
    EXAMPLES,
    attribute_records,
    attributes_from_records,
    example_design,
    example_with_hash,
    examples_with_comparisons,
    parse_design,
    read_design,
    read_design_text,
    read_design_with_comparisons,
)

__all__ = [
    "EXAMPLES",
    "attribute_records",
    "attributes_from_records",
    "example_design",
    "example_with_hash",
    "examples_with_comparisons",
    "parse_design",
    "read_design",
    "read_design_text",
    "read_design_with_comparisons",
]
