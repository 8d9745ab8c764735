"""Time estimation against choix and evalica in the same run and print a table.

    python benchmarks/estimating.py [table small medium large bootstrap ...] [--repeats N] [--slow]

Answers are drawn from known strengths, 40 by each respondent. Every method's estimate is compared with ours; the
largest difference in log-strength stands beside its seconds. Seconds are wall-clock, the least of the repeats,
methods taking turns so that a busy machine is busy for all. Memory is the peak of a process of its own. evalica is
no dependency; without it, its rows say so. Set OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import choix
import numpy as np
from numpy.typing import NDArray

from estimation.assembly import assemble
from estimation.bradley_terry import by_choix, pair_counts
from estimation.choice_model import maximize
from estimation.connectivity import check_connected, connectivity
from estimation.counts_table import AnswerColumns, read_counts_table
from estimation.dataset import ChoiceData, Clustering, tally
from estimation.fitting import fit
from estimation.specification import Model, Specification
from estimation.uncertainty import bootstrap_draws
from survey.design import CategoricalAttribute, Level, Profile

Array = NDArray[np.float64]
PER_RESPONDENT = 40
N_ANSWERS = 1_000_000


@dataclass(frozen=True)
class World:
    """Answers as columns."""

    names: list[str]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    choice: NDArray[np.intp]
    respondent: NDArray[np.intp]

    def counted(self, *, by_respondent: bool = True) -> ChoiceData:
        """Count them, for intervals by respondent."""
        profiles = tuple(Profile((("profile", n),), name=n) for n in self.names)
        levels = tuple(Level(name=n, words=n) for n in self.names)
        return tally(
            attributes=(CategoricalAttribute(name="profile", label="Profile", levels=levels),),
            profiles=profiles,
            left=self.left,
            right=self.right,
            choice=self.choice,
            offered=bool((self.choice == 2).any()),
            cluster=self.respondent if by_respondent else None,
            clustering=Clustering.RESPONDENT if by_respondent else Clustering.ANSWER,
        )

    def won(self) -> list[tuple[int, int]]:
        """Return choix's input: (winner, loser)."""
        first = np.where(self.choice == 0, self.left, self.right)
        second = np.where(self.choice == 0, self.right, self.left)
        return list(zip(first.tolist(), second.tolist(), strict=True))


def world(n_profiles: int, n_answers: int, *, indecision: float = 0.0) -> World:
    rng = np.random.default_rng(1)
    strengths = rng.normal(0, 1, n_profiles)
    left = rng.integers(0, n_profiles, n_answers)
    right = (left + rng.integers(1, n_profiles, n_answers)) % n_profiles
    choice = (rng.random(n_answers) > 1 / (1 + np.exp(strengths[right] - strengths[left]))).astype(np.intp)
    choice = np.where(rng.random(n_answers) < indecision, 2, choice)
    return World(
        names=[f"profile {i:05d}" for i in range(n_profiles)],
        left=left,
        right=right,
        choice=choice,
        respondent=np.arange(n_answers) // PER_RESPONDENT,
    )


def main() -> None:
    parts = {"table": table, "small": small, "medium": medium, "large": large, "bootstrap": bootstrap}
    parser = argparse.ArgumentParser(description="Time estimation against choix and evalica.")
    parser.add_argument("parts", nargs="*", default=list(parts), help=", ".join(parts))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--slow", action="store_true", help="also run choix on 10,000 profiles (minutes, 2.6 GB)"
    )
    parser.add_argument("--memory-of", choices=["ours", "choix"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print(memory_of(given.memory_of))
        return
    for name in given.parts:
        parts[name](given.repeats, slow=given.slow)


# --- the measurements -----------------------------------------------------------------------------------


def table(repeats: int, *, slow: bool) -> None:
    print(
        f"\n8 profiles, {N_ANSWERS:,} answers in an SQLite table with the index of AnswerColumns.index_statement"
    )
    truth = world(8, N_ANSWERS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.sqlite"
        write_table(path, truth)

        def rows() -> list[tuple[str, str, str]]:
            connection = sqlite3.connect(path)
            found = connection.execute('SELECT "left", "right", choice FROM answers').fetchall()
            connection.close()
            return found

        def by_rows() -> Array:
            number = {name: i for i, name in enumerate(truth.names)}
            won = [
                (number[left], number[right]) if choice == "left" else (number[right], number[left])
                for left, right, choice in rows()
            ]
            return np.asarray(choix.ilsr_pairwise(8, won))

        def by_evalica() -> Array:
            left, right, choices = zip(*rows(), strict=True)
            return evalica_strengths(truth.names, left, right, [c == "left" for c in choices])

        methods: dict[str, Callable[[], Array]] = {
            "ours, with cluster intervals": lambda: fit(read_counts_table(path), Model.BRADLEY_TERRY).values,
            "choix.ilsr_pairwise on the rows": by_rows,
            "evalica on the rows, no intervals": by_evalica,
        }
        compare(methods, repeats)


def small(repeats: int, *, slow: bool) -> None:
    print("\n100 profiles, 100,000 answers in memory")
    compare(in_memory(world(100, 100_000)), max(repeats, 7))


def medium(repeats: int, *, slow: bool) -> None:
    print(f"\n1,000 profiles, {N_ANSWERS:,} answers in memory")
    compare(in_memory(world(1_000, N_ANSWERS)), repeats, once=("choix.ilsr_pairwise",))


def large(repeats: int, *, slow: bool) -> None:
    print(f"\n10,000 profiles, {N_ANSWERS:,} answers in memory, a process each: peak memory and seconds")
    for method in ("ours", "choix") if slow else ("ours",):
        command = [sys.executable, __file__, "--memory-of", method]
        began = time.perf_counter()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(f"  {method:<34} {said}, {time.perf_counter() - began:.1f} s with start and data", flush=True)


def memory_of(method: str) -> str:
    truth = world(10_000, N_ANSWERS)
    if method == "choix":
        won = truth.won()
        began = time.perf_counter()
        choix.lsr_pairwise(10_000, won, alpha=1e-3)
    else:
        began = time.perf_counter()
        fit(truth.counted(), Model.BRADLEY_TERRY)
    seconds = time.perf_counter() - began
    return f"{peak_megabytes():,.0f} MB, {seconds:.2f} s"


def peak_megabytes() -> float:
    """Return the most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says begins with the memory of the process that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def bootstrap(repeats: int, *, slow: bool) -> None:
    print(
        f"\n1,000 cluster bootstraps of Davidson's model, 8 profiles, {N_ANSWERS:,} answers of 25,000 respondents"
    )
    data = world(8, N_ANSWERS, indecision=0.15).counted()
    assembled = assemble(data, Specification(model=Model.DAVIDSON))
    maximum = maximize(assembled.cells)

    def draw() -> Array:
        draws = bootstrap_draws(assembled.cells, maximum, n_draws=1_000, seed=1)
        assert np.abs(draws.mean(axis=0) - maximum.values).max() < 0.01
        return maximum.values

    compare({"ours": draw}, repeats)


def in_memory(truth: World) -> dict[str, Callable[[], Array]]:
    won = truth.won()
    left = [truth.names[i] for i in truth.left.tolist()]
    right = [truth.names[i] for i in truth.right.tolist()]
    first = [c == 0 for c in truth.choice.tolist()]

    def alone() -> Array:
        data = truth.counted(by_respondent=False)
        check_connected(connectivity(data))
        return by_choix(pair_counts(data.win_counts())).values

    return {
        "ours, checked, no intervals": alone,
        "ours, with cluster intervals": lambda: fit(truth.counted(), Model.BRADLEY_TERRY).values,
        "choix.ilsr_pairwise": lambda: np.asarray(choix.ilsr_pairwise(len(truth.names), won)),
        "evalica, no intervals": lambda: evalica_strengths(truth.names, left, right, first),
    }


# --- how they are measured ------------------------------------------------------------------------------


def evalica_strengths(names: list[str], left: object, right: object, left_won: list[bool]) -> Array:
    import evalica

    winner = [evalica.Winner.X if won else evalica.Winner.Y for won in left_won]
    began = time.perf_counter()
    found = evalica.bradley_terry(left, right, winner, limit=10_000)
    CALL_SECONDS.append(time.perf_counter() - began)
    values = np.log(found.scores.reindex(names).to_numpy())
    return np.asarray(values - values.mean())


CALL_SECONDS: list[float] = []
"""How long evalica's own calls took, the conversion of its input left out."""


def compare(methods: dict[str, Callable[[], Array]], repeats: int, *, once: tuple[str, ...] = ()) -> None:
    seconds: dict[str, float] = {}
    values: dict[str, Array] = {}
    absent: set[str] = set()
    CALL_SECONDS.clear()
    for repeat in range(repeats):
        for name, method in methods.items():
            if name in absent or (repeat and name in once):
                continue
            began = time.perf_counter()
            try:
                values[name] = method()
            except ModuleNotFoundError as error:
                if error.name != "evalica":
                    raise
                absent.add(name)
                continue
            seconds[name] = min(seconds.get(name, np.inf), time.perf_counter() - began)
    ours = next(iter(methods))
    print(f"  {'method':<34} {'seconds':>9} {'times ours':>11} {'difference':>11}")
    for name in methods:
        if name in absent:
            print(f"  {name:<34} evalica is not installed; pip install evalica")
            continue
        difference = float(np.abs(values[name] - values[ours]).max())
        assert difference < 1e-3, f"{name} and ours differ by {difference}"
        print(
            f"  {name:<34} {seconds[name]:>9.4f} {seconds[name] / seconds[ours]:>11.1f} {difference:>11.1e}",
            flush=True,
        )
    if CALL_SECONDS:
        least = min(CALL_SECONDS)
        print(f"  {'  of which the call of evalica':<34} {least:>9.4f} {least / seconds[ours]:>11.1f}")


def write_table(path: Path, truth: World) -> None:
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE answers (respondent INTEGER, "left" TEXT, "right" TEXT, choice TEXT)')
    left = [truth.names[i] for i in truth.left.tolist()]
    right = [truth.names[i] for i in truth.right.tolist()]
    choice = [("left", "right", "indecision")[c] for c in truth.choice.tolist()]
    connection.executemany(
        "INSERT INTO answers VALUES (?, ?, ?, ?)",
        zip(truth.respondent.tolist(), left, right, choice, strict=True),
    )
    connection.execute(AnswerColumns().index_statement())
    connection.commit()
    connection.close()


if __name__ == "__main__":
    main()
