"""A ZIP of files, made while it is sent: nothing is held in memory or written beside."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK = 1 << 18
_PACKED_ALREADY = (".parquet",)


class _Outbox(io.RawIOBase):
    """What was written and not yet sent."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Keep bytes until they are taken."""
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        """Return what waits, and forget it."""
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def zip_chunks(files: Iterable[tuple[str, Path]], folder: str) -> Iterator[bytes]:
    """Yield the bytes of a ZIP that holds files under a folder's name.

    A file that is gone by its turn, as one that was being rewritten, is left out.
    """
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w") as archive:
        for name, path in files:
            try:
                source = path.open("rb")
            except FileNotFoundError:
                continue
            with source:
                entry = zipfile.ZipInfo.from_file(path, f"{folder}/{name}")
                packed = path.suffix in _PACKED_ALREADY
                entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                # A file may grow while it is read.
                with archive.open(entry, "w", force_zip64=True) as target:
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)
                        yield outbox.take()
            yield outbox.take()
    yield outbox.take()
