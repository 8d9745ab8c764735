"""Files that the estimating commands write; see ``survey.writing``."""

from __future__ import annotations

from survey.writing import check_outputs, write_bytes, write_chunks, write_text

__all__ = ["check_outputs", "write_bytes", "write_chunks", "write_text"]
