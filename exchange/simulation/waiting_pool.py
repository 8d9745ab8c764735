"""The pool as it is today, with its arcs kept up to date as people come and go.

Everybody has a place (row and column of one matrix) while they wait; places are used again. Only the arcs of those
who arrive are computed, from every donor's own stream of crossmatches, see ``exchange.people``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exchange.compatibility import blood_compatible
from exchange.people import Stream, keyed, skip
from exchange.pool import BloodGroup, BoolArray, FloatArray, IntArray, Pool
from exchange.simulation.population import Arrival

_BLOCK = 256
"""Crossmatches with recipients to come that are drawn at once."""
_ROOM = 256
"""Places at first; doubled when all are taken."""
_GROUPS = tuple(BloodGroup)
_INDEX = {group: i for i, group in enumerate(_GROUPS)}
_FITS = np.array([[blood_compatible(donor, patient) for patient in _GROUPS] for donor in _GROUPS])
_NOBODY = -(2**31)
_GIVEN = 2.0
"""Added to what is drawn where a file says that there is an arc, whatever the blood groups."""


class WaitingPool:
    """Who waits, and who could give to whom.

    Attributes
    ----------
    arcs
        Shape (places, places): the donor at the row's place could give to the patient at the column's. Rows of
        empty places are all False, and columns of places without a waiting patient.
    patients
        Shape (places,): whether a patient waits there.
    donors
        Whether a donor is there who could give: of a pair, or non-directed, or a bridge donor.
    cpra, lots
        Shape (places,): of the patients; the lots settle ties.
    """

    def __init__(
        self,
        seed: int,
        crossmatch_tests: int,
        first_pool: Pool | None,
        *,
        keeps_draws: bool,
        same_day_tests: int = 1,
    ) -> None:
        self._seed, self._tests = seed, crossmatch_tests
        self._same_day_tests = max(same_day_tests, crossmatch_tests)
        self._keeps_draws = keeps_draws
        self._first = _first_arcs(first_pool)
        self._first_cpra = _first_cpra(first_pool)
        self.arcs: BoolArray = np.zeros((_ROOM, _ROOM), dtype=np.bool_)
        self._draws = np.zeros((_ROOM, _ROOM) if keeps_draws else (0, 0), dtype=np.float32)
        self.patients: BoolArray = np.zeros(_ROOM, dtype=np.bool_)
        self.donors: BoolArray = np.zeros(_ROOM, dtype=np.bool_)
        self.cpra: FloatArray = np.zeros(_ROOM)
        self.lots: FloatArray = np.zeros(_ROOM)
        self._patient_group = np.zeros(_ROOM, dtype=np.intp)
        self._donor_group = np.zeros(_ROOM, dtype=np.intp)
        self._is_ndd: BoolArray = np.zeros(_ROOM, dtype=np.bool_)
        self._patient_key = np.full(_ROOM, _NOBODY, dtype=np.int64)
        self._brought_by = np.full(_ROOM, _NOBODY, dtype=np.int64)
        self._arrived = np.full(
            _ROOM, np.nan
        )  # Not a number, so nobody's day, for all but newly arrived pairs.
        self._keys: list[tuple[Stream, tuple[int, ...]] | None] = [None] * _ROOM
        self._streams: list[np.random.Generator | None] = [None] * _ROOM
        self._to_first: dict[int, FloatArray] = {}
        self._forbidden: defaultdict[int, set[tuple[Stream, tuple[int, ...]] | None]] = defaultdict(set)
        self._ahead: FloatArray = np.zeros((_ROOM, _BLOCK))
        self._block = 0
        self._free = list(range(_ROOM - 1, -1, -1))
        self.grown: list[Callable[[int], None]] = []
        """Told the new number of places when the pool has run out of them."""

    @property
    def n_places(self) -> int:
        """Number of places, taken or not."""
        return len(self.patients)

    def admit_ndd(self, group: BloodGroup, key: tuple[Stream, int]) -> int:
        """Let a non-directed donor in, and return their place."""
        place = self._take_place()
        self._is_ndd[place] = True
        self._admit_donor(place, group, (key[0], (key[1],)))
        return place

    def admit(
        self,
        pair: Arrival,
        *,
        cpra: float | None = None,
        donor: BloodGroup | None = None,
        key: tuple[Stream, tuple[int, ...]] | None = None,
    ) -> int:
        """Let a pair in, and return its place.

        Parameters
        ----------
        cpra, donor, key
            Of a patient who comes back, in place of the pair's own.
        """
        place = self._take_place()
        comes_back = key is not None
        if pair.patient_key >= 0 and not comes_back:
            self._turn_to(pair.patient_key // _BLOCK)
        own_key = (pair.key[0], (pair.key[1],)) if key is None else key
        self.cpra[place] = pair.cpra if cpra is None else cpra
        self.lots[place] = pair.lot
        self._patient_group[place] = _INDEX[pair.patient]
        self._patient_key[place] = pair.patient_key
        self._arrived[place] = np.nan if comes_back or pair.patient_key < 0 else pair.day
        self._admit_patient(place, pair.patient_key, comes_back=comes_back)
        self._admit_donor(place, pair.donor if donor is None else donor, own_key)
        self._brought_by[place] = pair.patient_key
        self.patients[place] = True
        return place

    def remove(self, place: int) -> None:
        """Let everybody at a place go."""
        self.remove_patient(place)
        self.arcs[place] = False
        self.donors[place] = False
        self._is_ndd[place] = False
        self._arrived[place] = np.nan
        self._brought_by[place] = _NOBODY
        self._streams[place] = None
        self._keys[place] = None
        self._to_first.pop(place, None)
        self._free.append(place)

    def remove_patient(self, place: int) -> None:
        """Let a pair's patient go, and keep the donor: a bridge donor."""
        self.arcs[:, place] = False
        self.patients[place] = False
        self._patient_key[place] = _NOBODY

    def forbid(self, donor: int, patient: int) -> None:
        """Take an arc away for good: the crossmatch turned out positive, or the donor was refused."""
        self.arcs[donor, patient] = False
        # Also for when the patient comes back while the donor still waits.
        self._forbidden[int(self._patient_key[patient])].add(self._keys[donor])
        if self._keeps_draws:
            self._draws[donor, patient] = -1.0

    def sensitize(self, place: int, cpra: float) -> None:
        """Raise a patient's cPRA: of the donors possible until now, some are no longer."""
        self.cpra[place] = cpra
        everywhere = np.arange(self.n_places)
        positive = self._positive(cpra, everywhere, np.full(self.n_places, place))
        self.arcs[:, place] &= _is_negative(self._draws[:, place], positive)

    def draw_between(self, stream: Stream, donor: int, patient: int) -> float:
        """Return a number in [0, 1) of a donor and a patient, the same whenever these two meet."""
        key = self._keys[donor]
        assert key is not None  # noqa: S101 - every donor has one
        place = int(self._patient_key[patient])
        member = (place, 0) if place >= 0 else (-1 - place, 1)
        return float(keyed(self._seed, stream, *member, int(key[0]), *key[1]).random())

    def _positive(self, cpra: ArrayLike, donors: IntArray, patients: IntArray) -> FloatArray:
        """Return the probability that all crossmatches of donors and patients at these places are positive."""
        if self._same_day_tests == 1:
            return np.asarray(cpra, dtype=np.float64)
        is_same_day = self._arrived[donors] == self._arrived[patients]
        tests = np.where(is_same_day, self._same_day_tests, self._tests)
        return np.asarray(np.power(cpra, np.where(self._is_ndd[donors], 1, tests)), dtype=np.float64)

    def _admit_patient(self, place: int, patient_key: int, *, comes_back: bool) -> None:
        """Compute the arcs into a patient from all donors present."""
        donors = np.flatnonzero(self.donors)
        if not len(donors):
            return
        if patient_key < 0:
            draws = np.array([self._draw_to_first(int(donor), -1 - patient_key) for donor in donors])
        elif comes_back:
            draws = np.array([self._draw_at(int(donor), patient_key) for donor in donors])
        else:
            draws = self._ahead[donors, patient_key % _BLOCK]
        # Whoever brought a donor cannot receive from them, nor later, when the donor waits to begin a chain.
        draws = np.where(self._brought_by[donors] == patient_key, -1.0, draws)
        if patient_key in self._forbidden:
            keys = self._forbidden[patient_key]
            draws[[self._keys[donor] in keys for donor in donors.tolist()]] = -1.0
        positive = self._positive(self.cpra[place], donors, np.full(len(donors), place))
        fits = _FITS[self._donor_group[donors], self._patient_group[place]] | (draws >= _GIVEN)
        self.arcs[donors, place] = fits & _is_negative(draws, positive)
        if self._keeps_draws:
            self._draws[donors, place] = draws

    def _admit_donor(self, place: int, group: BloodGroup, key: tuple[Stream, tuple[int, ...]]) -> None:
        """Compute a donor's arcs to all patients present, and draw what is needed for those to come."""
        self._donor_group[place] = _INDEX[group]
        self._keys[place] = key
        stream = keyed(self._seed, key[0], *key[1])
        patients = np.flatnonzero(self.patients)
        keys = self._patient_key[patients]
        start = self._block * _BLOCK
        known = keys[keys >= 0]
        low = min(start, int(known.min())) if len(known) else start
        skip(stream, low)
        row = stream.random(start + _BLOCK - low)
        self._streams[place] = stream
        self._ahead[place] = row[start - low :]
        draws: FloatArray = np.asarray(row[np.maximum(keys - low, 0)])
        if len(known) < len(keys):
            draws = np.array(
                [self._draw_to_first(place, -1 - key) if key < 0 else row[key - low] for key in keys.tolist()]
            )
        positive = self._positive(self.cpra[patients], np.full(len(patients), place), patients)
        fits = _FITS[self._donor_group[place], self._patient_group[patients]] | (draws >= _GIVEN)
        self.arcs[place, patients] = fits & _is_negative(draws, positive)
        if self._keeps_draws:
            self._draws[place, patients] = draws
        self.donors[place] = True

    def _turn_to(self, block: int) -> None:
        """Draw the crossmatches of all donors present with the next recipients."""
        while self._block < block:
            self._block += 1
            for place in np.flatnonzero(self.donors).tolist():
                stream = self._streams[place]
                assert stream is not None  # noqa: S101 - every donor has one
                self._ahead[place] = stream.random(_BLOCK)

    def _draw_at(self, place: int, patient_key: int) -> float:
        """Return one number of a donor's stream."""
        key = self._keys[place]
        assert key is not None  # noqa: S101 - every donor has one
        stream = keyed(self._seed, key[0], *key[1])
        skip(stream, patient_key)
        return float(stream.random())

    def _draw_to_first(self, place: int, first: int) -> float:
        """Return a donor's crossmatch with a patient of the first pool: known between two of them."""
        key = self._keys[place]
        assert key is not None  # noqa: S101 - every donor has one
        if place not in self._to_first:
            own = keyed(self._seed, Stream.ARCS_TO_FIRST_POOL, int(key[0]), *key[1])
            self._to_first[place] = np.asarray(own.random(self._first.shape[1]))
        drawn = float(self._to_first[place][first])
        if key[0] is not Stream.ARCS_FROM_FIRST_POOL:
            return drawn
        if not self._first[key[1][0], first]:
            return -1.0
        # Known to be negative at first; but the patient may become more sensitized.
        tests = 1 if self._is_ndd[place] else self._tests
        positive = float(self._first_cpra[first]) ** tests
        return _GIVEN + positive + (1.0 - positive) * drawn

    def _take_place(self) -> int:
        if not self._free:
            self._grow()
        return self._free.pop()

    def _grow(self) -> None:
        before = self.n_places
        after = 2 * before
        self.arcs = enlarged(self.arcs, (after, after))
        if self._keeps_draws:
            self._draws = enlarged(self._draws, (after, after))
        for name in ("patients", "donors", "cpra", "lots", "_patient_group", "_donor_group", "_is_ndd"):
            setattr(self, name, enlarged(getattr(self, name), (after,)))
        nobody = np.full(before, _NOBODY, dtype=np.int64)
        self._patient_key = np.concatenate([self._patient_key, nobody])
        self._brought_by = np.concatenate([self._brought_by, nobody])
        self._arrived = np.concatenate([self._arrived, np.full(before, np.nan)])
        self._ahead = enlarged(self._ahead, (after, _BLOCK))
        self._keys += [None] * before
        self._streams += [None] * before
        self._free = list(range(after - 1, before - 1, -1))
        for tell in self.grown:
            tell(after)


def enlarged(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of a larger shape, the rest 0."""
    larger = np.zeros(shape, dtype=array.dtype)
    larger[tuple(slice(0, n) for n in array.shape)] = array
    return larger


def _is_negative(draws: NDArray[np.floating[Any]], positive: FloatArray) -> BoolArray:
    """Return whether crossmatches are negative, given the probability that they are not."""
    negative: BoolArray = np.where(draws >= _GIVEN, draws - _GIVEN, draws) >= positive
    return negative


def _first_cpra(pool: Pool | None) -> FloatArray:
    return np.array([pair.cpra for pair in pool.pairs] if pool else [], dtype=np.float64)


def _first_arcs(pool: Pool | None) -> BoolArray:
    """Return the arcs of the first pool: pairs, then non-directed donors, to pairs."""
    if pool is None:
        return np.zeros((0, 0), dtype=np.bool_)
    donors = [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]
    place = {donor: i for i, donor in enumerate(donors)}
    arcs = np.zeros((len(place), len(pool.pairs)), dtype=np.bool_)
    for arc in pool.arcs:
        arcs[place[arc.donor], place[arc.recipient]] = True
    return arcs
