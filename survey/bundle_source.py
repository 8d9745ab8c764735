"""Read the files of an export bundle where they lie, in a folder or a zip file. Nothing is ever unpacked."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from survey.errors import SurveyError

MANIFEST = "manifest.json"
FORMAT = "equipoise-bundle"
FORMAT_VERSION = 1
LARGEST_MANIFEST = 16 * 1024 * 1024
LARGEST_BUNDLE = 8 * 1024**3
"""Bytes of all files together, unpacked; a zip file that holds more is refused before it is read."""


class NoBundle(SurveyError):
    """There is nothing that could be an export bundle; the message says where."""


class BundleSource(Protocol):
    """Where a bundle's files lie."""

    sizes: dict[str, int]
    """File -> bytes."""
    oddities: list[str]
    """What lies there and cannot be a file of a bundle."""

    def open(self, name: str) -> IO[bytes]:
        """Open one of the files."""
        ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes: dict[str, int] = {}
        self.oddities: list[str] = []
        for entry in sorted(path.iterdir()):
            if entry.is_symlink() or not entry.is_file():
                self.oddities.append(f"{entry.name}: is no plain file")
            else:
                self.sizes[entry.name] = entry.stat().st_size

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.sizes: dict[str, int] = {}
        self.oddities: list[str] = []
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if PurePosixPath(entry.filename).name != entry.filename or "\\" in entry.filename:
                self.oddities.append(f"{entry.filename!r}: leads out of the bundle's own folder level")
            elif entry.is_dir() or kind not in (0, stat.S_IFREG):
                self.oddities.append(f"{entry.filename}: is no plain file")
            elif entry.flag_bits & 1:
                self.oddities.append(f"{entry.filename}: is encrypted")
            elif entry.filename in self.sizes:
                self.oddities.append(f"{entry.filename}: stands in the zip file more than once")
            else:
                self.sizes[entry.filename] = entry.file_size

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


@contextmanager
def open_bundle(path: Path) -> Iterator[BundleSource]:
    """Yield the files at ``path``, a folder or a zip file.

    Raises
    ------
    NoBundle
        There is neither, it has no manifest, or it is larger than any bundle.
    """
    if path.is_dir():
        source: BundleSource = _Folder(path)
        yield _checked(source, path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield _checked(_Zip(archive), path)
    except zipfile.BadZipFile as error:
        raise NoBundle(f"{path}: is neither a folder nor a sound zip file ({error})") from None
    except OSError as error:
        raise NoBundle(f"{path}: {error.strerror or error}; name an export bundle") from None


def _checked(source: BundleSource, path: Path) -> BundleSource:
    if MANIFEST not in source.sizes:
        raise NoBundle(f"{path}: holds no {MANIFEST}, so it is no export bundle")
    if source.sizes[MANIFEST] > LARGEST_MANIFEST or sum(source.sizes.values()) > LARGEST_BUNDLE:
        raise NoBundle(f"{path}: is larger than any export bundle; it is not read")
    return source


def read_manifest(source: BundleSource) -> dict[str, Any]:
    """Return the manifest.

    Raises
    ------
    NoBundle
        It is none of an Equipoise bundle that this version can read.
    """
    with source.open(MANIFEST) as file:
        # A zip file can lie about sizes.
        text = file.read(LARGEST_MANIFEST + 1)
    try:
        manifest = json.loads(text[: LARGEST_MANIFEST + 1])
    except (ValueError, RecursionError):
        raise NoBundle(f"{MANIFEST}: is no JSON, so this is no export bundle") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NoBundle(f"{MANIFEST}: does not say that this is an export bundle ('format': '{FORMAT}')")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise NoBundle(
            f"{MANIFEST}: has format version {manifest.get('format_version')!r}, and this Equipoise reads "
            f"{FORMAT_VERSION}; use the version that wrote it ({manifest.get('equipoise')})"
        )
    return manifest
