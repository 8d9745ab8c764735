"""Files that a page or the API hands out."""

from __future__ import annotations

from flask import Response


def file_response(body: bytes, name: str, media_type: str) -> Response:
    """Return a file to save under ``name``."""
    response = Response(body, content_type=media_type)
    # Headers are Latin-1 on the wire, and a design's version may be in any letters.
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return response
