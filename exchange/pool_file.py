"""Read and write pool files of every format, told by the end of their name.

``pool.json`` (``pool_json_file``) loses nothing. The others are for exchange with other programs, and
:func:`lost_in` says what they cannot hold.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from exchange.errors import BadPool, BadRequest
from exchange.formats.bpmdd_file import read_bpmdd
from exchange.formats.kidney_solver_file import read_kidney_solver, write_kidney_solver
from exchange.formats.pool_json_file import FORMAT, parse_pool, pool_text, read_pool_json
from exchange.formats.pool_losses import losses
from exchange.formats.pool_table_file import PAIRS_END, read_pool_table, table_paths, write_pool_table
from exchange.formats.preflib_file import read_wmd, write_wmd
from exchange.formats.text_rows import Complaints
from exchange.pool import Pool
from survey.design import StudyDesign

__all__ = ["lost_in", "lost_in_file", "parse_pool", "pool_text", "read_pool", "write_pool"]

Reader: TypeAlias = Callable[[Path, Complaints], Pool]
Writer: TypeAlias = Callable[[Pool, Path], None]
_SNIFFED = 4096
"""Characters in which our own pool.json names itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    read: Reader
    write: Writer | None = None
    siblings: tuple[str, ...] = ()
    """Ends of the names of files beside it that are read with it."""


def read_pool(path: Path, complaints: Complaints | None = None, *, design: StudyDesign | None = None) -> Pool:
    """Read a pool file of any format.

    Parameters
    ----------
    path
        ``.json`` (ours, or of kep_solver), ``.pairs.csv`` (with its siblings), ``.wmd`` (with ``.dat``), ``.txt``
        (BPMDD), ``.input`` (with ``.ndds``), ``.xml``, ``.yaml``, ``.npz``.
    complaints
        Forgiving ones take the rows that cannot be read, and the pool is read without them. By default such a row
        is an error.
    design
        What the attributes of a CSV mean; other formats do not need or cannot have it.

    Raises
    ------
    BadPool
        The file is missing, of an unknown kind or malformed; the message names file and place.
    BadRequest
        ``design`` with a format that has no use for it.
    """
    complaints = Complaints() if complaints is None else complaints
    suffix, chosen = _format_of(path)
    if design is not None and suffix != PAIRS_END:
        raise BadRequest(f"{path}: a design explains the attributes of a {PAIRS_END} file only; leave it out")
    try:
        with _no_garbage_collection():
            if suffix == PAIRS_END:
                return read_pool_table(path, complaints, design=design)
            return chosen.read(path, complaints)
    except UnicodeDecodeError:
        raise BadPool(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadPool(f"{error.filename or path}: {reason}; name an existing pool file") from None


def write_pool(pool: Pool, path: Path) -> None:
    """Write a pool in the format that the end of the name says, whole or not at all.

    Some formats are several files (``.wmd`` and ``.dat``); each replaces the older one of its name.

    Raises
    ------
    BadRequest
        No format that can be written ends its names like this, or the pool holds what the format cannot say.
    """
    place = Path(os.path.realpath(path))
    writer = _writer(place)
    with TemporaryDirectory(prefix=f".{place.name}.", suffix=".part", dir=place.parent) as folder:
        written = _written(pool, writer, Path(folder) / place.name)
        for sibling in files_of(place):
            if sibling.exists() and sibling.name not in {partial.name for partial in written}:
                raise BadRequest(
                    f"{sibling} would be read with {path.name}, but is of another pool; remove it"
                )
        for partial in written:
            final = place.with_name(partial.name)
            if final.exists():
                partial.chmod(final.stat().st_mode)
            partial.replace(final)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return a pool file and those beside it that belong to it, whether they exist or not.

    Raises
    ------
    BadPool
        A name of no known kind.
    """
    suffix, chosen = _format_of(path)
    if suffix == PAIRS_END:
        return table_paths(path)
    return (path, *(path.with_suffix(end) for end in chosen.siblings))


def lost_in(pool: Pool, path: Path) -> tuple[str, ...]:
    """Return in words what a file of this name would not hold of a pool; nothing for ``pool.json``.

    Found by writing the pool to a place of its own and reading it again, so it is true of the file itself.

    Raises
    ------
    BadRequest
        As of :func:`write_pool`.
    """
    writer = _writer(path)
    if writer is _write_pool_json:
        return ()
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        _written(pool, writer, copy)
        return lost_in_file(pool, copy)


def lost_in_file(pool: Pool, path: Path) -> tuple[str, ...]:
    """Return in words what a file that was just written does not hold of the pool; it is read again for this."""
    suffix, _ = _format_of(path)
    if suffix == ".json":
        return ()
    if suffix == PAIRS_END:
        # Read with the attributes at hand, as with a study: whether they could be inferred is another question.
        after = read_pool_table(path, Complaints(), attributes=pool.attributes)
        return losses(pool, replace(after, attributes=()))
    return losses(pool, read_pool(path))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Do not look for reference cycles meanwhile: among a million new arcs there are none (4.7 s become 2.9 s)."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def writable_endings() -> tuple[str, ...]:
    """Return how the names of files end that can be written."""
    return tuple(suffix for suffix, entry in _FORMATS.items() if entry.write is not None)


def _read_kep_solver(path: Path, complaints: Complaints) -> Pool:
    from exchange.formats.kep_solver_file import read_kep_solver

    return read_kep_solver(path, complaints)


def _write_kep_solver(pool: Pool, path: Path) -> None:
    from exchange.formats.kep_solver_file import write_kep_solver

    write_kep_solver(pool, path)


def _read_adjacency(path: Path, complaints: Complaints) -> Pool:
    from exchange.formats.adjacency_file import read_adjacency

    return read_adjacency(path, complaints)


def _write_adjacency(pool: Pool, path: Path) -> None:
    from exchange.formats.adjacency_file import write_adjacency

    write_adjacency(pool, path)


def _read_json(path: Path, complaints: Complaints) -> Pool:
    """Read a JSON file: ours unless it has the keys of kep_solver's."""
    if FORMAT.encode() not in path.read_bytes()[:_SNIFFED] and _is_of_kep_solver(path):
        return _read_kep_solver(path, complaints)
    return read_pool_json(path, complaints)


def _is_of_kep_solver(path: Path) -> bool:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # Our own reader says what is wrong with it, and where.
        return False
    return (
        isinstance(document, dict)
        and "format" not in document
        and any(key in document for key in ("data", "schema", "algorithm"))
    )


def _write_pool_json(pool: Pool, path: Path) -> None:
    path.write_text(pool_text(pool), encoding="utf-8", newline="")


_KEP_SOLVER = _Format(read=_read_kep_solver)
_FORMATS: Mapping[str, _Format] = {
    **dict.fromkeys(
        (".kep.json", ".kep.json.gz", ".kep.json.xz"),
        _Format(read=_read_kep_solver, write=_write_kep_solver),
    ),
    ".json": _Format(read=_read_json, write=_write_pool_json),
    PAIRS_END: _Format(read=read_pool_table, write=write_pool_table),
    ".wmd": _Format(read=read_wmd, write=write_wmd, siblings=(".dat",)),
    ".txt": _Format(read=read_bpmdd),
    ".txt.gz": _Format(read=read_bpmdd),
    ".input": _Format(read=read_kidney_solver, write=write_kidney_solver, siblings=(".ndds",)),
    ".npz": _Format(read=_read_adjacency, write=_write_adjacency),
    **dict.fromkeys((".json.gz", ".json.xz"), _KEP_SOLVER),
    **{kind + packing: _KEP_SOLVER for kind in (".xml", ".yaml", ".yml") for packing in ("", ".gz", ".xz")},
}
"""By the ends of their names; of two that fit, the first counts."""


def _format_of(path: Path) -> tuple[str, _Format]:
    for suffix, entry in _FORMATS.items():
        if path.name.lower().endswith(suffix):
            return suffix, entry
    hint = f"; of tables, name the one that ends in {PAIRS_END}" if path.suffix.lower() == ".csv" else ""
    raise BadPool(
        f"{path}: unknown kind of pool file; its name should end in one of {', '.join(_FORMATS)}{hint}"
    )


def _writer(path: Path) -> Writer:
    """Return what writes a file of this name."""
    for suffix, entry in _FORMATS.items():
        if entry.write is not None and path.name.lower().endswith(suffix):
            return entry.write
    raise BadRequest(f"{path}: pools are written to names that end in one of {', '.join(writable_endings())}")


def _written(pool: Pool, writer: Writer, path: Path) -> list[Path]:
    """Write the files of a pool into an empty folder, and return them."""
    try:
        writer(pool, path)
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"{path.name}: {error.object[error.start : error.end]!r} is no text; mend the id"
        ) from None
    return sorted(path.parent.iterdir())
