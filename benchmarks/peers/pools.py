"""The pools that clearing is timed on: PrefLib's and others where their files are, generated ones elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exchange.pool import Pool
from exchange.pool_file import read_pool
from exchange.pool_generator import generate_pool
from exchange.pool_model import MODELS
from survey.design_file import example_design


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: a pool, caps and what is asked for."""

    pairs: int
    ndds: int
    file: str
    """Below the folder of data."""
    chain_cap: int = 0
    cycle_cap: int = 3
    by_priority: bool = False
    """After most transplants, the greatest priority."""
    model: str | None = "saidman"
    """Of the generated pool where the file is missing; None where nothing stands in for it."""
    kind: str = ""
    """What is special about the pool."""

    @property
    def name(self) -> str:
        """What ``--rows`` selects by."""
        aim = "priority" if self.by_priority else "transplants"
        kind = f"{self.kind}-" if self.kind else ""
        return f"{aim}/{kind}{self.pairs}+{self.ndds}/chain-cap-{self.chain_cap}"


_PREFLIB = (
    (64, 0, 0, "KP_Num71_N64_A0.txt"),
    (64, 6, 3, "KP_Num91_N70_A6.txt"),
    (128, 0, 0, "KP_Num111_N128_A0.txt"),
    (128, 12, 3, "KP_Num131_N140_A12.txt"),
    (256, 0, 0, "KP_Num151_N256_A0.txt.gz"),
    (256, 12, 3, "KP_Num161_N268_A12.txt.gz"),
    (512, 25, 3, "KP_Num201_N537_A25.txt.gz"),
    (1024, 51, 3, "KP_Num241_N1075_A51.txt.gz"),
)
_UK = "generated/uk_band_pra0_1000_50_seed4.json.gz"

CASES = (
    *(Case(pairs=p, ndds=n, chain_cap=c, file=f"preflib_bpmdd/{f}") for p, n, c, f in _PREFLIB),
    Case(
        pairs=1024,
        ndds=51,
        chain_cap=3,
        file="generated/sparse_1024_51.npz",
        kind="sparse",
        model="unos-sparse",
    ),
    Case(pairs=2048, ndds=102, chain_cap=3, file="generated/saidman_2048_102.npz"),
    *(Case(pairs=1000, ndds=50, chain_cap=c, file=_UK, kind="uk", model=None) for c in (3, 4)),
    *(
        Case(pairs=p, ndds=n, chain_cap=c, file=f"preflib_bpmdd/{f}", by_priority=True)
        for p, n, c, f in _PREFLIB
    ),
)


def pool_of(case: Case, data: Path) -> Pool | None:
    """Return the case's pool, a generated one of its size where its file is missing, or None if there is none."""
    path = data / case.file
    if path.exists():
        return read_pool(path)
    if case.model is None:
        return None
    design = example_design("kidney-8")
    return generate_pool(design, n_pairs=case.pairs, n_ndds=case.ndds, seed=1, model=MODELS[case.model])
