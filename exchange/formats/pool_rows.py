"""The rows that a reader finds in a pool file, each with its place, until they make a pool."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from exchange.errors import BadPool
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.pool_problems import Part, Problem, arc_problems, member_problems, number_texts
from survey.design import Attribute


class PoolRows:
    """Pairs, non-directed donors and arcs as read, with the place of each row.

    Rows that contradict each other (an id given twice, an arc to nobody) become complaints that name their places,
    the same ones that a :class:`Pool` has; forgiving, such a row is left out, and a pair or donor takes the arcs
    from and to it along.
    """

    __slots__ = ("_complaints", "_left_out", "_numbers", "_starts", "arcs", "ndds", "pairs")

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self.pairs: list[Pair] = []
        self.ndds: list[NonDirectedDonor] = []
        self.arcs: list[Arc] = []
        self._numbers: dict[Part, list[int]] = {part: [] for part in Part}
        self._starts: dict[Part, list[tuple[int, Callable[[int], str]]]] = {part: [] for part in Part}
        self._left_out: set[str] = set()

    def begin(self, part: Part, place: Callable[[int], str]) -> None:
        """Say that rows added to ``part`` from now on have numbers that ``place`` turns into words."""
        self._starts[part].append((len(self._rows(part)), place))

    def begin_lines(self, part: Part, path: Path) -> None:
        """Say that rows added to ``part`` from now on stand in the lines of this file."""
        self.begin(part, lambda line: f"{path}:{line}")

    def add_pair(self, number: int, pair: Pair) -> None:
        """Add a pair; ``number`` is its line, or what the place is made of."""
        self.pairs.append(pair)
        self._numbers[Part.PAIRS].append(number)

    def add_ndd(self, number: int, ndd: NonDirectedDonor) -> None:
        """Add a non-directed donor; ``number`` as for a pair."""
        self.ndds.append(ndd)
        self._numbers[Part.NDDS].append(number)

    def add_arc(self, number: int, arc: Arc) -> None:
        """Add an arc; ``number`` as for a pair."""
        self.arcs.append(arc)
        self._numbers[Part.ARCS].append(number)

    def add_arcs(self, numbers: Sequence[int], arcs: Sequence[Arc]) -> None:
        """Add many arcs at once."""
        self.arcs.extend(arcs)
        self._numbers[Part.ARCS].extend(numbers)

    def leave_out(self, error: BadPool, member_id: str | None = None) -> None:
        """Note a row that cannot be read; of a pair or non-directed donor with its id, if that could be read."""
        self._complaints.add(error)
        if member_id:
            self._left_out.add(member_id)

    def pool(
        self,
        *,
        source: str,
        attributes: tuple[Attribute, ...] = (),
        is_simulated: bool = False,
        note: str = "",
    ) -> Pool:
        """Return the pool of these rows.

        Raises
        ------
        BadPool
            Rows were left out or contradict each other, and the complaints are not forgiving.
        """
        self._mend_members()
        self._leave_out_arcs_of_absent_members()
        self._mend_arcs()
        self._complaints.settle()
        return Pool(
            pairs=tuple(self.pairs),
            ndds=tuple(self.ndds),
            arcs=tuple(self.arcs),
            source=source,
            attributes=attributes,
            is_simulated=is_simulated,
            note=note,
        )

    def _mend_members(self) -> None:
        """Leave out pairs and donors that cannot stand, the second of two with the same id."""
        problems = list(member_problems(self.pairs, self.ndds))
        for part in (Part.PAIRS, Part.NDDS):
            bad = self._complain([p for p in problems if p.part is part])
            rows = self.pairs if part is Part.PAIRS else self.ndds
            self._left_out.update(rows[i].id for i in bad)
            self._drop(part, bad)

    def _leave_out_arcs_of_absent_members(self) -> None:
        absent = self._left_out - {pair.id for pair in self.pairs} - {ndd.id for ndd in self.ndds}
        if not absent:
            return
        bad: set[int] = set()
        lost: dict[str, list[int]] = {}
        for i, arc in enumerate(self.arcs):
            if arc.donor not in absent and arc.recipient not in absent:
                continue
            if texts := list(number_texts(arc)):
                self._complaints.add(BadPool(f"{self._place(Part.ARCS, i)}: {'; '.join(texts)}"))
                bad.add(i)
            else:
                lost.setdefault(arc.donor if arc.donor in absent else arc.recipient, []).append(i)
        # Strict, the file is refused for the member's own row; its arcs would only repeat that.
        if self._complaints.is_forgiving:
            for member_id, indices in lost.items():
                text = f"{len(indices)} arc(s) from or to '{member_id}', left out too; the first is this"
                self._complaints.add(
                    BadPool(f"{self._place(Part.ARCS, indices[0])}: {text}"), rows=len(indices)
                )
        self._drop(Part.ARCS, bad.union(*lost.values()))

    def _mend_arcs(self) -> None:
        problems = list(arc_problems(self.pairs, self.ndds, self.arcs))
        marks = [p for p in problems if p.is_mark]
        bad = self._complain([p for p in problems if not p.is_mark])
        self._drop(Part.ARCS, bad)
        if bad:  # Among them may have been a compatible pair's arc to itself.
            marks = [p for p in arc_problems(self.pairs, self.ndds, self.arcs) if p.is_mark]
        for problem in marks:
            text = (
                f"{self._place(Part.PAIRS, problem.index)}: {problem.text}; it would count as not compatible"
            )
            self._complaints.add(BadPool(text), rows=0)
            self.pairs[problem.index] = replace(self.pairs[problem.index], is_compatible=False)

    def _complain(self, problems: Sequence[Problem]) -> set[int]:
        """Note these problems, a complaint per row, and return the rows' indices."""
        texts: dict[int, list[str]] = {}
        for problem in problems:
            earlier = (
                "" if problem.first is None else f", first at {self._place(problem.part, problem.first)}"
            )
            texts.setdefault(problem.index, []).append(problem.text + earlier)
        for i, found in texts.items():
            self._complaints.add(BadPool(f"{self._place(problems[0].part, i)}: {'; '.join(found)}"))
        return set(texts)

    def _rows(self, part: Part) -> list[Pair] | list[NonDirectedDonor] | list[Arc]:
        if part is Part.PAIRS:
            return self.pairs
        return self.ndds if part is Part.NDDS else self.arcs

    def _place(self, part: Part, index: int) -> str:
        starts = self._starts[part]
        _, place = starts[bisect_right([start for start, _ in starts], index) - 1]
        return place(self._numbers[part][index])

    def _drop(self, part: Part, indices: set[int]) -> None:
        if not indices:
            return
        # What comes after a gap moves up, the beginnings of files as well.
        self._starts[part] = [
            (start - sum(i < start for i in indices), place) for start, place in self._starts[part]
        ]
        _without(self._rows(part), indices)
        _without(self._numbers[part], indices)


def _without(rows: list[Any], indices: set[int]) -> None:
    """Remove these entries."""
    rows[:] = [row for i, row in enumerate(rows) if i not in indices]
