"""First and last names that stand for a candidate's gender and ethnicity. Pure but for reading its own file.

Of the same candidate, another gender changes the first name alone, another ethnicity both, each for the one at the
same place of the other list: all else that the name could depend on stays as it is.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from llm_compare.allocation.problems.problem import Candidate
from llm_compare.errors import CannotAsk


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Lists of names, all equally long within each kind."""

    first: dict[tuple[str, str], tuple[str, ...]]
    """By (gender, ethnicity)."""
    last: dict[str, tuple[str, ...]]
    """By ethnicity."""

    @property
    def n_first(self) -> int:
        """Number of first names in each list."""
        return len(next(iter(self.first.values())))

    @property
    def n_last(self) -> int:
        """Number of last names in each list."""
        return len(next(iter(self.last.values())))


@cache
def names() -> Names:
    """Return the lists of ``names.toml``, which says where they are from."""
    text = (resources.files("llm_compare.allocation.trials") / "names.toml").read_text(encoding="utf-8")
    lists: dict[str, dict[str, Any]] = tomllib.loads(text)
    return Names(
        first={
            (gender, ethnicity): tuple(given[gender])
            for ethnicity, given in lists.items()
            for gender in ("Male", "Female")
        },
        last={ethnicity: tuple(given["last"]) for ethnicity, given in lists.items()},
    )


def candidate_name(problem: str, number: int, candidate: Candidate) -> str:
    """Return the name that a candidate has in prompts, drawn by problem and number out of their group's lists.

    The candidates of a problem have different names as long as there are enough of them.

    Raises
    ------
    CannotAsk
        The candidate's gender or ethnicity is not known, or there is no list of names for it.
    """
    gender, ethnicity = candidate.group("gender"), candidate.group("ethnicity")
    lists = names()
    if gender is None or ethnicity is None or (gender, ethnicity) not in lists.first:
        raise CannotAsk(
            f"problem {problem}, candidate {number}: there is no name for somebody of gender '{gender}' and "
            f"ethnicity '{ethnicity}'; draw problems from candidates of {_known()}, or show the columns themselves "
            "(--identity columns)"
        )
    first, last = _drawn(problem, lists.n_first, "first"), _drawn(problem, lists.n_last, "last")
    # The second round of first names meets other last names.
    turn, place = divmod(number, lists.n_first)
    return (
        f"{lists.first[gender, ethnicity][first[place]]} "
        f"{lists.last[ethnicity][last[(place + turn) % lists.n_last]]}"
    )


@cache
def _drawn(problem: str, n: int, kind: str) -> tuple[int, ...]:
    """Return the places of a list in an order that is the problem's own."""
    return tuple(sorted(range(n), key=lambda i: hashlib.sha256(f"{kind}/{problem}/{i}".encode()).digest()))


def _known() -> str:
    return ", ".join(f"{ethnicity} ({gender})" for gender, ethnicity in names().first)
