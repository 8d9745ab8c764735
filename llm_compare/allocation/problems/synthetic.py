"""Candidates and kidneys that are made up: realistic one column at a time, and nobody of them exists.

Randomness is keyed: candidate 7 with seed 1 is the same person in a draw of 8 and in one of 10,000.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cache
from math import exp
from pathlib import Path
from typing import Any

import numpy as np

from exchange.people import Shares
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS, Column
from llm_compare.allocation.problems.problem import Candidate, Kidney, Value
from llm_compare.errors import BadProblems

_CONSTANTS = Path(__file__).with_name("synthetic_constants.toml")
_ANTIGENS = ("A", "B", "DR")
_CM_PER_M = 100.0


class _Stream(IntEnum):
    """What a stream of randomness decides. The numbers are part of every result: never reuse one."""

    CANDIDATE = 1
    KIDNEY = 2


def synthetic_candidates(n: int, *, seed: int) -> tuple[Candidate, ...]:
    """Draw made-up candidates.

    Parameters
    ----------
    n
        How many; a larger draw with the same seed begins with the smaller.
    seed
        At least 0.

    Raises
    ------
    BadProblems
        A negative number or seed.
    """
    people = _People(_read_constants(), "candidates")
    return tuple(
        Candidate(_in_order(CANDIDATE_COLUMNS, people.candidate(rng)))
        for rng in _keyed(n, seed, _Stream.CANDIDATE)
    )


def synthetic_kidneys(n: int, *, seed: int) -> tuple[Kidney, ...]:
    """Draw made-up kidneys; as :func:`synthetic_candidates`, and independent of them."""
    people = _People(_read_constants(), "kidneys")
    return tuple(
        Kidney(_in_order(KIDNEY_COLUMNS, people.kidney(rng))) for rng in _keyed(n, seed, _Stream.KIDNEY)
    )


def synthetic_source(seed: int) -> str:
    """Return where synthetic records come from, in words, with the hash of the constants."""
    sha256 = hashlib.sha256(_CONSTANTS.read_bytes()).hexdigest()
    return f"synthetic: drawn with seed {seed} from synthetic_constants.toml (SHA-256 {sha256})"


@cache
def _read_constants() -> Mapping[str, Any]:
    return tomllib.loads(_CONSTANTS.read_text(encoding="utf-8"))


def _keyed(n: int, seed: int, stream: _Stream) -> list[np.random.Generator]:
    for name, number in (("records", n), ("seed", seed)):
        if number < 0:
            raise BadProblems(f"{name}: {number} is negative; give 0 or more")
    return [
        np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, k)))) for k in range(n)
    ]


def _in_order(columns: Sequence[Column], values: Mapping[str, Value]) -> tuple[Value, ...]:
    return tuple(values[column.name] for column in columns)


class _Words:
    """Draws one of several words by their shares; an empty one stands for nothing known."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._words = [word or None for word in shares]
        self._shares = Shares(list(shares.values()))

    def draw(self, rng: np.random.Generator) -> str | None:
        return self._words[self._shares.draw(rng)]


class _People:
    """Draws what candidates and donors have in common, and the rest of each."""

    def __init__(self, constants: Mapping[str, Any], who: str) -> None:
        self._own, self._body = constants[who], constants["body"]
        self._gender, self._ethnicity = _Words(self._own["gender"]), _Words(self._own["ethnicity"])
        self._blood = {ethnicity: _Words(shares) for ethnicity, shares in constants["blood_groups"].items()}
        self._antigens = {name: _Words(constants["antigens"][name]) for name in _ANTIGENS}
        self._states = _Words(constants["states"])
        self._education, self._work = (
            _Words(self._own.get("education", {})),
            _Words(self._own.get("work", {})),
        )
        self._ages = Shares([share for _, _, share in self._own["ages"]])

    def candidate(self, rng: np.random.Generator) -> dict[str, Value]:
        """Return one candidate's values by column."""
        gender, ethnicity = self._gender.draw(rng), self._ethnicity.draw(rng)
        height, weight = self._size(rng, gender, ethnicity)
        return {
            "ABO": self._blood[ethnicity or ""].draw(rng),
            **self._antigen_pairs(rng, ""),
            "AGE": self._age(rng),
            "HGT_CM_TCR": height,
            "WGT_KG_TCR": weight,
            "GENDER": gender,
            "ETHCAT": ethnicity,
            "EDUCATION": self._education.draw(rng),
            "WORK_INCOME_TCR": self._work.draw(rng),
            "DAYSWAIT_CHRON_KI": self._days(rng),
            "PERM_STATE": self._states.draw(rng),
        }

    def kidney(self, rng: np.random.Generator) -> dict[str, Value]:
        """Return one kidney's values by column."""
        gender, ethnicity = self._gender.draw(rng), self._ethnicity.draw(rng)
        height, weight = self._size(rng, gender, ethnicity)
        return {
            "ABO_DON": self._blood[ethnicity or ""].draw(rng),
            **self._antigen_pairs(rng, "D"),
            "AGE_DON": self._age(rng),
            "HGT_CM_DON_CALC": height,
            "WGT_KG_DON_CALC": weight,
            "GENDER_DON": gender,
            "ETHCAT_DON": ethnicity,
            "HOME_STATE_DON": self._states.draw(rng),
        }

    def _size(
        self, rng: np.random.Generator, gender: str | None, ethnicity: str | None
    ) -> tuple[float, float]:
        """Return height in cm and weight in kg, which go together by the body mass index."""
        body = self._body
        height = rng.normal(
            body["height_mean_cm"][gender] + body["height_shift_cm"][ethnicity or ""],
            body["height_sd_cm"][gender],
        )
        bmi = (
            self._own["bmi_median"]
            * body["bmi_factor"][ethnicity or ""]
            * exp(self._own["bmi_sigma"] * rng.standard_normal())
        )
        height = round(float(np.clip(height, *body["height_range_cm"])), 1)
        bmi = float(np.clip(bmi, *body["bmi_range"]))
        return height, round(bmi * (height / _CM_PER_M) ** 2, 1)

    def _age(self, rng: np.random.Generator) -> int:
        first, last, _ = self._own["ages"][self._ages.draw(rng)]
        return int(rng.integers(first, last, endpoint=True))

    def _days(self, rng: np.random.Generator) -> int:
        days = self._own["days_median"] * exp(self._own["days_sigma"] * rng.standard_normal())
        return min(int(days), int(self._own["days_most"]))

    def _antigen_pairs(self, rng: np.random.Generator, prefix: str) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for name in _ANTIGENS:
            first, second = (int(self._antigens[name].draw(rng) or 0) for _ in range(2))
            found[f"{prefix}{name}1"] = first
            found[f"{prefix}{name}2"] = 0 if second == first else second
        return found
