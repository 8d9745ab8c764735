"""Measure how often the 95 % intervals of a coding hold what they are about.

    python benchmarks/coding_coverage.py [--rows saturation agreement] [--rounds 500] [--draws 500]

saturation  the band of the curve of categories by people, at a quarter, a half and all of the people asked, about
            how many categories so many of the same population name on average, which is computed. Populations have
            16 categories that .3 to .9 of people name, 16 of .02 to .6 (drawn for each round), 40 of .6 / rank,
            60 of .6 * .92^rank, and 12 of which half are named by .5 and half by .03. People name each by itself
            (``apart``), or some name many and others few (``many``: log-odds 1.5 up, 0 or 1.5 down), or two kinds
            of people prefer every other category (``kinds``: log-odds 1.5 up or down); populations have the same
            shares, but for these shifts. Beside it the band from the unconditional variance of Colwell et al.
            (2012).
agreement   Krippendorff's alpha of sets (MASI), of a category that a fifth and of one that .06 of suggestions mean,
            and Cohen's kappa of the first of these, with the interval that ``agreement_of`` gives them, about those
            of the same coders with 20,000 respondents. Respondents make 1 + Poisson(3) suggestions; 2 coders, or 3
            who leave out a fifth; a coder hears what was meant with a chance that differs by respondent (beta, 8
            pseudo-counts) and otherwise anything, and adds another category to 3 %. Beside it percentile
            intervals of the same samples, where there is an interval.

A line has the share of rounds with an interval that holds the truth, and its mean width; ``none`` is the share of
rounds without interval. Of 500 rounds the share itself is known to 2 percentage points. Set OMP_NUM_THREADS=1;
500 rounds of saturation take a minute, 400 of agreement a quarter of an hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from survey.coding.alpha import coincidences, masi
from survey.coding.kappa import kappas
from survey.coding.measures import draw_weights, measure
from survey.coding.saturation import coverage, expected_categories, unseen_categories
from survey.coding.saturation_band import half_widths
from survey.coding.shares import Z_95

Numbers = NDArray[np.float64]
Generator = np.random.Generator

POPULATIONS: dict[str, Callable[[Generator], Numbers]] = {
    "16 high": lambda rng: rng.uniform(0.3, 0.9, 16),
    "16 mixed": lambda rng: rng.uniform(0.02, 0.6, 16),
    "40 long tail": lambda rng: 0.6 / np.arange(1, 41),
    "60 geometric": lambda rng: 0.6 * 0.92 ** np.arange(60),
    "6 and 6 rare": lambda rng: np.repeat([0.5, 0.03], 6),
}
SHIFT = 1.5
MANY = 20_000
"""Respondents from whom the agreement that is true is computed."""
HEARS = (0.66, 0.86, 0.97)
ADDS = 0.03
MEANT = np.array([0.35, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.02])
"""How often each category is meant."""
COMMON, RARE = 1, 5


@dataclass(slots=True)
class Held:
    """Intervals so far."""

    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    none: int = 0

    def add(self, low: float | None, high: float | None, truth: float) -> None:
        """Count an interval; None is none."""
        if low is None or high is None:
            self.none += 1
        else:
            self.held.append(low <= truth <= high)
            self.widths.append(high - low)

    def __str__(self) -> str:
        if not self.held:
            return f"{'-':>6}{'':>7}{'none 1.00':>11}"
        none = self.none / (self.none + len(self.held))
        return f"{np.mean(self.held):6.3f}{np.mean(self.widths):7.2f}{f'none {none:.2f}':>11}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how often intervals of a coding hold the truth.")
    parser.add_argument("--rows", nargs="*", default=["saturation", "agreement"])
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--draws", type=int, default=500)
    given = parser.parse_args()
    if "saturation" in given.rows:
        saturation(given.rounds)
    if "agreement" in given.rows:
        agreement(given.rounds, given.draws)


def saturation(rounds: int) -> None:
    print(f"{'population':<14}{'people':<7}{'asked':>5}{'point':>6}  {'band':<24}  Colwell et al. 2012")
    for name, drawn in POPULATIONS.items():
        for kind in ("apart", "many", "kinds"):
            for n in (15, 40, 100):
                rng = np.random.default_rng([n, len(name), len(kind)])
                points = np.array([n // 4, n // 2, n])
                found = [(Held(), Held()) for _ in points]
                for _ in range(rounds):
                    named, truth = sample(drawn(rng), n, kind, points, rng)
                    mean, bands = both_bands(named, points)
                    for at, two in enumerate(found):
                        for half, held in zip(bands, two, strict=True):
                            wide = half[at] > 1e-6
                            ends = (mean[at] - half[at], mean[at] + half[at]) if wide else (None, None)
                            held.add(*ends, truth[at])
                for t, (ours, theirs) in zip(points, found, strict=True):
                    print(f"{name:<14}{kind:<7}{n:>5}{t:>6}  {ours}  {theirs}", flush=True)


def sample(
    shares: Numbers, n: int, kind: str, points: NDArray[np.int64], rng: Generator
) -> tuple[NDArray[np.bool_], Numbers]:
    """Return who named what, shape (n, n_categories), and how many so many people name on average."""
    ups = {
        "apart": np.zeros((1, 1)),
        "many": SHIFT * np.array([[-1.0], [0.0], [1.0]]),
        "kinds": SHIFT * np.array([[-1.0], [1.0]]) * np.where(np.arange(len(shares)) % 2, 1.0, -1.0),
    }[kind]
    by_kind = 1 / (1 + np.exp(-(np.log(shares / (1 - shares)) + ups)))
    named = rng.random((n, len(shares))) < by_kind[rng.integers(0, len(ups), n)]
    return named, (1 - (1 - by_kind.mean(axis=0)) ** points[:, None]).sum(axis=1)


def both_bands(
    named: NDArray[np.bool_], points: NDArray[np.int64]
) -> tuple[Numbers, tuple[Numbers, Numbers]]:
    """Return the curve, and half the width of our band and of the unconditional one."""
    n = len(named)
    frequencies = named.sum(axis=0)
    frequencies = frequencies[frequencies > 0]
    once, twice = (int((frequencies == k).sum()) for k in (1, 2))
    unseen = unseen_categories(n, once, twice)
    mean = expected_categories(n, frequencies, points)
    sets = [frozenset(str(c) for c in np.flatnonzero(row)) for row in named]
    covered = coverage(n, int(frequencies.sum()), once, twice)
    squares = sum(
        expected_categories(n, np.array([y]), points) ** 2 * times
        for y, times in zip(*np.unique(frequencies, return_counts=True), strict=True)
    )
    variance = squares - mean**2 / max(len(frequencies) + unseen, 1)
    theirs = Z_95 * np.sqrt(np.maximum(variance, 0.0))
    return mean, (half_widths(sets, points, unseen=unseen, coverage=covered), theirs)


def agreement(rounds: int, draws: int) -> None:
    print(f"\n{'measure':<16}{'truth':>6}{'coders':>7}{'asked':>6}  {'interval':<24}  percentiles")
    for hears in HEARS:
        for coders, gone in ((2, 0.0), (3, 0.2)):
            rng = np.random.default_rng([round(100 * hears), coders])
            once = np.ones((1, MANY))
            true = {name: float(of[0]) for name, of in samples(*coded(MANY, hears, coders, gone, rng), once)}
            for n in (10, 20, 40, 100):
                found = {name: (Held(), Held()) for name in true}
                for round_ in range(rounds):
                    weights = draw_weights(n, draws, round_)
                    for name, drawn in samples(*coded(n, hears, coders, gone, rng), weights):
                        ours = measure(drawn, "no variation", respondents=n)
                        ends = (None, None) if ours.low is None else np.nanquantile(drawn[1:], (0.025, 0.975))
                        found[name][0].add(ours.low, ours.high, true[name])
                        found[name][1].add(*ends, true[name])
                for name, (first, second) in found.items():
                    print(f"{name:<16}{true[name]:6.2f}{coders:>7}{n:>6}  {first}  {second}", flush=True)


def coded(
    n: int, hears: float, coders: int, gone: float, rng: Generator
) -> tuple[NDArray[np.int64], list[list[frozenset[int] | None]]]:
    """Return for each suggestion its respondent, and the set that each coder gave it; None where none."""
    respondents = np.repeat(np.arange(n), 1 + rng.poisson(3, n))
    size = (len(respondents), coders)
    chances = rng.beta(8 * hears, 8 * (1 - hears), n)[respondents]
    meant = rng.choice(len(MEANT), len(respondents), p=MEANT)
    heard = np.where(
        rng.random(size) < chances[:, None], meant[:, None], rng.choice(len(MEANT), size, p=MEANT)
    )
    second = np.where(rng.random(size) < ADDS, rng.choice(len(MEANT), size, p=MEANT), heard)
    left_out = rng.random(size) < gone
    return respondents, [
        [None if out else frozenset(pair) for *pair, out in zip(*row, strict=True)]
        for row in zip(heard.tolist(), second.tolist(), left_out.tolist(), strict=True)
    ]


def samples(
    respondents: NDArray[np.int64], given: Sequence[Sequence[frozenset[int] | None]], weights: Numbers
) -> Iterator[tuple[str, Numbers]]:
    """Yield each measure's name and values, where respondents are taken as often as each row says."""
    n = weights.shape[1]
    rows = [i for i, unit in enumerate(given) if sum(own is not None for own in unit) > 1]
    units = [[own for own in given[i] if own is not None] for i in rows]
    yield "alpha", coincidences(units, masi).summed(respondents[rows], n).alpha(weights)
    for name, category in (("common", COMMON), ("rare", RARE)):
        yes = [[category in own for own in unit] for unit in units]
        yield f"alpha, {name}", coincidences(yes).summed(respondents[rows], n).alpha(weights)
    both = [i for i, unit in enumerate(given) if unit[0] is not None and unit[1] is not None]
    told = np.array([[COMMON in (own or ()) for own in given[i][:2]] for i in both])
    first, second = told.T
    cells = (first & second, first & ~second, ~first & second, np.ones(len(both)))
    yield "kappa, common", kappas(*(weights @ np.bincount(respondents[both], c, n) for c in cells))


if __name__ == "__main__":
    main()
