"""Read and write pools as packed matrices: numpy's ``.npz``, small and quick for very large pools.

Keys of the file, for n pairs and m non-directed donors:

- ``n``, ``m``: the two numbers
- ``abits``: who could give to whom among the pairs, the n x n matrix (row gives to column) read row by row, eight
  arcs to a byte, the first in the highest bit (``numpy.packbits``); ones on the diagonal are compatible pairs
- ``bbits``: the same for non-directed donors, m x n; may be absent if m is 0
- ``patient_bt``, ``donor_bt`` (length n), ``ndd_bt`` (length m): blood groups, 0 O, 1 A, 2 B, 3 AB, and 255 where
  unknown; each may be absent
- ``pra`` (length n): cPRA as a fraction, not a number (NaN) where unknown; may be absent

Pairs are called P0, P1, ... and non-directed donors N0, N1, ... in the order of the rows. All weights are 1.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exchange.errors import BadPool, BadRequest
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, BloodGroup, BoolArray, NonDirectedDonor, Pair, Pool, pool_arrays

_GROUPS = (BloodGroup.O, BloodGroup.A, BloodGroup.B, BloodGroup.AB)
_UNKNOWN = 255
_LARGEST = 100_000
"""Most pairs or non-directed donors; above it a file is taken to be damaged."""

_BEGINNINGS = (b"PK", b"\x93NUMPY")
"""Of files of several arrays, which are zip files, and of single ones."""

_DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise for files that are damaged or of another kind."""

_Keys: TypeAlias = dict[str, NDArray[Any]]


def read_adjacency(path: Path, complaints: Complaints) -> Pool:
    """Read a pool of packed matrices.

    A blood group or cPRA that does not fit is complained of and left out, as unknown; the pair stays.

    Raises
    ------
    BadPool
        Not such a file: a key is absent, or has a shape or kind of number that does not fit. Unless ``complaints``
        is forgiving, also a value that does not fit. The message names file, key and entry, from 0 like the ids.
    OSError
        The file cannot be opened.
    """
    keys = _load(path)
    n, m = _count(path, keys, "n"), _count(path, keys, "m")
    among_pairs = _bits(path, keys, "abits", n, n)
    from_ndds = _bits(path, keys, "bbits", m, n)
    patients = _blood_groups(path, keys, "patient_bt", n, complaints)
    donors = _blood_groups(path, keys, "donor_bt", n, complaints)
    ndd_groups = _blood_groups(path, keys, "ndd_bt", m, complaints)
    cpras = _cpras(path, keys, n, complaints)
    complaints.settle()
    compatible = np.diagonal(among_pairs).tolist()
    pair_ids = [f"P{i}" for i in range(n)]
    ndd_ids = [f"N{i}" for i in range(m)]
    return Pool(
        pairs=tuple(
            Pair(
                id=pair_ids[i],
                patient_blood_group=patients[i],
                donor_blood_group=donors[i],
                cpra=cpras[i],
                is_compatible=compatible[i],
            )
            for i in range(n)
        ),
        ndds=tuple(NonDirectedDonor(id=ndd_ids[i], blood_group=ndd_groups[i]) for i in range(m)),
        arcs=(*_arcs(pair_ids, pair_ids, among_pairs), *_arcs(ndd_ids, pair_ids, from_ndds)),
        source=str(path),
    )


def _arcs(donors: Sequence[str], recipients: Sequence[str], exists: BoolArray) -> list[Arc]:
    rows, columns = np.nonzero(exists)
    return [
        Arc(donor=donors[i], recipient=recipients[j])
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]


def _load(path: Path) -> _Keys:
    """Return the file's arrays; pickled objects, which could run code, are refused."""
    with path.open("rb") as file:
        if not file.read(6).startswith(_BEGINNINGS):
            # numpy would take it for a pickle, and advise to load it unsafely.
            raise BadPool(f"{path}: not an .npz file; 'equipoise exchange convert' writes them")
        file.seek(0)
        try:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise BadPool(f"{path}: holds a single array; a pool is an .npz file with several")
            with loaded:
                # numpy hands out members that are no arrays as bytes.
                return {key: np.asarray(loaded[key]) for key in loaded.files}
        except _DAMAGE as error:
            raise BadPool(f"{path}: not a readable .npz file ({error}); was it cut off?") from None


def _array(path: Path, keys: _Keys, key: str, shape: tuple[int, ...], kinds: str) -> NDArray[Any]:
    """Return the array under a key, of this shape and one of numpy's kinds (``iu`` whole numbers, ``f`` floats)."""
    if key not in keys:
        raise BadPool(f"{path}: the key '{key}' is absent; a pool has at least n, m, abits and bbits")
    array = keys[key]
    if array.dtype.kind not in kinds:
        meaning = "numbers" if "f" in kinds else "whole numbers"
        raise BadPool(f"{path}: {key} should hold {meaning}, not {array.dtype}")
    if array.shape != shape:
        raise BadPool(f"{path}: {key} has shape {array.shape}, but it should be {shape}")
    return array


def _count(path: Path, keys: _Keys, key: str) -> int:
    count = int(_array(path, keys, key, (), "iu"))
    if not 0 <= count <= _LARGEST:
        raise BadPool(f"{path}: {key} is {count}; it should be a number from 0 to {_LARGEST}")
    return count


def _bits(path: Path, keys: _Keys, key: str, rows: int, columns: int) -> BoolArray:
    """Return a packed matrix, unpacked."""
    if key not in keys and rows == 0:
        return np.zeros((rows, columns), dtype=np.bool_)
    size = rows * columns
    packed = _array(path, keys, key, (-(-size // 8),), "u")
    if packed.dtype != np.uint8:
        raise BadPool(f"{path}: {key} should hold bytes (uint8), not {packed.dtype}")
    bits = np.unpackbits(packed)
    if np.any(bits[size:]):
        raise BadPool(f"{path}: {key} has ones after its {size} places; are n and m right?")
    return bits[:size].reshape(rows, columns).astype(np.bool_)


def _blood_groups(
    path: Path, keys: _Keys, key: str, count: int, complaints: Complaints
) -> list[BloodGroup | None]:
    if key not in keys:
        return [None] * count
    found: list[BloodGroup | None] = []
    for i, code in enumerate(_array(path, keys, key, (count,), "iu").tolist()):
        is_known = 0 <= code < len(_GROUPS)
        found.append(_GROUPS[code] if is_known else None)
        if not is_known and code != _UNKNOWN:
            text = f"{path}: {key}[{i}] is {code}; use 0 O, 1 A, 2 B, 3 AB or {_UNKNOWN} for unknown"
            complaints.add(BadPool(text), rows=0)
    return found


def _cpras(path: Path, keys: _Keys, count: int, complaints: Complaints) -> list[float | None]:
    if "pra" not in keys:
        return [None] * count
    found: list[float | None] = []
    for i, number in enumerate(_array(path, keys, "pra", (count,), "f")):
        # The shortest decimal that means the number: 0.05 kept in 32 bits is 0.05 again, not 0.05000000074505806.
        cpra = float(str(number))
        is_fraction = 0 <= cpra <= 1
        found.append(cpra if is_fraction else None)
        if not is_fraction and not np.isnan(cpra):
            text = f"{path}: pra[{i}] is {cpra:g}; give a fraction between 0 and 1, or NaN for unknown"
            complaints.add(BadPool(text), rows=0)
    return found


def write_adjacency(pool: Pool, path: Path) -> None:
    """Write a pool as packed matrices, compressed; the same pool gives the same bytes.

    Lost: ids, weights, success probabilities, profiles and attributes, the names of donors and who of them gives,
    source, note and whether the pool is simulated.

    Raises
    ------
    BadRequest
        Another kind of file name.
    """
    if path.suffix != ".npz":
        raise BadRequest(f"{path}: packed matrices are written as .npz; choose such a name")
    arrays = pool_arrays(pool)
    np.savez_compressed(
        path,
        n=np.int64(arrays.n_pairs),
        m=np.int64(arrays.n_ndds),
        abits=np.packbits(arrays.arc_exists[: arrays.n_pairs]),
        bbits=np.packbits(arrays.ndd_arcs),
        patient_bt=_codes([pair.patient_blood_group for pair in pool.pairs]),
        donor_bt=_codes([pair.donor_blood_group for pair in pool.pairs]),
        ndd_bt=_codes([ndd.blood_group for ndd in pool.ndds]),
        pra=np.array([np.nan if pair.cpra is None else pair.cpra for pair in pool.pairs], dtype=np.float64),
    )


def _codes(groups: Sequence[BloodGroup | None]) -> NDArray[np.uint8]:
    return np.array([_UNKNOWN if group is None else _GROUPS.index(group) for group in groups], dtype=np.uint8)
