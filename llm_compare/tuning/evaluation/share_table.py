"""How often a model gives each answer to each comparison, from either side. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Array
from llm_compare.prompting.request import Request, SideOrder
from llm_compare.replies.offered import EDGES
from llm_compare.replies.parsing import parse
from llm_compare.replies.reply import RecordedReply
from survey.answers import Choice
from survey.design import Comparison

SIDES = (SideOrder.FIRST_LEFT, SideOrder.SECOND_LEFT)
_N_SIDES, _N_CHOICES = 2, 3


@dataclass(frozen=True, kw_only=True, eq=False)
class ShareTable:
    """A model's shares of left, right and indecision, brought to the patients they name."""

    comparisons: tuple[Comparison, ...]
    by_side: Array
    """Shape (n_comparisons, 2, 3): the comparison's first profile on the left, on the right; columns of choices.
    NaN where no reply could be read."""
    elsewhere: Array
    """Shape (n_comparisons, 2): probability that a reply begins with none of the offered answers; NaN where it is
    not known, as of a model that knows no other words."""
    knows_sides: bool = True
    """Whether the model could answer otherwise when sides are exchanged."""

    @cached_property
    def shares(self) -> Array:
        """Mean over both sides, shape (n_comparisons, 3); NaN where one of them is not known."""
        return np.asarray(self.by_side.mean(axis=1))

    def of(self, comparisons: Sequence[Comparison]) -> ShareTable:
        """Return the rows of ``comparisons``, NaN for those that are not in the table."""
        place = {c: i for i, c in enumerate(self.comparisons)}
        at = np.array([place.get(c, -1) for c in comparisons], dtype=np.intp)
        known = at >= 0
        by_side = np.full((len(at), _N_SIDES, _N_CHOICES), np.nan)
        elsewhere = np.full((len(at), _N_SIDES), np.nan)
        by_side[known], elsewhere[known] = self.by_side[at[known]], self.elsewhere[at[known]]
        return ShareTable(
            comparisons=tuple(comparisons),
            by_side=by_side,
            elsewhere=elsewhere,
            knows_sides=self.knows_sides,
        )

    @classmethod
    def same_from_both_sides(cls, comparisons: Sequence[Comparison], shares: Array) -> ShareTable:
        """Return the table of a model that does not know who stands where.

        Parameters
        ----------
        shares
            Shape (n_comparisons, 3).
        """
        return cls(
            comparisons=tuple(comparisons),
            by_side=np.repeat(shares[:, None, :], _N_SIDES, axis=1),
            elsewhere=np.full((len(comparisons), _N_SIDES), np.nan),
            knows_sides=False,
        )

    @classmethod
    def of_replies(cls, replies: Iterable[RecordedReply]) -> ShareTable:
        """Return the shares in replies: each its probabilities, or the one answer it gives; else not known."""
        rows: dict[Comparison, tuple[list[list[Array]], list[list[float]]]] = {}
        for recorded in replies:
            request = recorded.request
            shares, elsewhere = rows.setdefault(request.comparison, ([[], []], [[], []]))
            side = SIDES.index(request.side_order)
            if (row := _row(recorded)) is not None:
                shares[side].append(row)
            if (mass := offered_mass(recorded)) is not None:
                elsewhere[side].append(max(0.0, 1.0 - mass))
        by_side = np.full((len(rows), _N_SIDES, _N_CHOICES), np.nan)
        outside = np.full((len(rows), _N_SIDES), np.nan)
        for i, (shares, elsewhere) in enumerate(rows.values()):
            for side in range(_N_SIDES):
                if shares[side]:
                    by_side[i, side] = np.mean(shares[side], axis=0)
                if elsewhere[side]:
                    outside[i, side] = float(np.mean(elsewhere[side]))
        return cls(comparisons=tuple(rows), by_side=by_side, elsewhere=outside)


def offered_mass(recorded: RecordedReply) -> float | None:
    """Return the probability that the reply's first token gives to the offered answers; None where not told."""
    told = recorded.reply.first_token
    if told is None:
        return None
    marks = {mark for mark, _, _ in recorded.request.labels.offered()}
    return math.fsum(
        math.exp(min(logprob, 0.0))
        for token, logprob in told.items()
        if unicodedata.normalize("NFKC", token).strip(EDGES) in marks
    )


def patient_columns(request: Request) -> tuple[int, int, int]:
    """Return the columns of choices for left, right and indecision."""
    first_left = request.side_order is SideOrder.FIRST_LEFT
    return (FIRST, SECOND, INDECISION) if first_left else (SECOND, FIRST, INDECISION)


def _row(recorded: RecordedReply) -> Array | None:
    request = recorded.request
    read = parse(recorded.reply, request.labels, request.variant.answer_format)
    if read.choice is None:
        return None
    sides = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)
    left_right = read.shares or tuple(float(read.choice is c) for c in sides)
    row = np.empty(_N_CHOICES)
    row[list(patient_columns(request))] = left_right
    return row
