"""Where commands take candidates and kidneys from: an extract of the registry, or made up. Options and reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.call_options import with_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin
    from llm_compare.allocation.problems.registry_extract import Extract

_PATH = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is drawn from, and what is to be said about it."""

    candidates: Sequence[Candidate]
    kidneys: Sequence[Kidney]
    origin: Origin
    source: str
    said: Mapping[str, Any]
    """Per file of a registry: rows read, usable, kept, left out and why."""


def record_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name an extract."""
    return with_options(
        command,
        click.option(
            "--from-candidates",
            type=_PATH,
            help="Your extract of the registry with candidates: CSV, tab or SAS.",
        ),
        click.option("--from-kidneys", type=_PATH, help="Likewise with kidneys; may be the same file."),
        click.option(
            "--column-names",
            type=_PATH,
            help="Names of the columns of extracts that have no header row, one a line.",
        ),
        click.option(
            "--forgiving",
            is_flag=True,
            help="Leave out and count an extract's rows with unknown codes instead of refusing the file.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """What was given on the command line."""

    from_candidates: Path | None
    from_kidneys: Path | None
    column_names: Path | None
    forgiving: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> RecordOptions:
        """Take the options that are of records.

        Raises
        ------
        click.UsageError
            They do not go together.
        """
        found = cls(**{f.name: given[f.name] for f in fields(cls)})
        if (found.from_candidates is None) != (found.from_kidneys is None):
            raise click.UsageError(
                "--from-candidates and --from-kidneys belong together; name the same file twice if it has both"
            )
        if found.from_candidates is None and (found.column_names or found.forgiving):
            raise click.UsageError(
                "--column-names and --forgiving are about an extract; add --from-candidates"
            )
        return found

    @property
    def files(self) -> tuple[Path | None, ...]:
        """Every file that is read."""
        return self.from_candidates, self.from_kidneys, self.column_names

    def records(self, *, made_up_candidates: int, made_up_kidneys: int, seed: int) -> Records:
        """Return the records of the extract; without one, as many made-up ones.

        Raises
        ------
        BadProblems
            An extract cannot be read.
        """
        if self.from_candidates is None or self.from_kidneys is None:
            return _made_up(made_up_candidates, made_up_kidneys, seed)
        return self._extracted(self.from_candidates, self.from_kidneys, seed)

    def _extracted(self, candidates: Path, kidneys: Path, seed: int) -> Records:
        from llm_compare.allocation.problems.problem import Origin
        from llm_compare.allocation.problems.registry_extract import read_candidates, read_kidneys

        waiting = read_candidates(
            candidates, seed=seed, column_names=self.column_names, forgiving=self.forgiving
        )
        donated = read_kidneys(kidneys, seed=seed, column_names=self.column_names, forgiving=self.forgiving)
        extracts: dict[str, Extract[Candidate] | Extract[Kidney]] = {
            "candidates": waiting,
            "kidneys": donated,
        }
        return Records(
            candidates=waiting.records,
            kidneys=donated.records,
            origin=Origin.REGISTRY,
            source="; ".join(
                f"{role} from {extract.file} (SHA-256 {extract.sha256})" for role, extract in extracts.items()
            ),
            said={
                role: {
                    "file": extract.file,
                    "rows": extract.n_read,
                    "usable": extract.n_usable,
                    "kept": len(extract.records),
                    "left_out": dict(extract.left_out),
                }
                for role, extract in extracts.items()
            },
        )


def _made_up(n_candidates: int, n_kidneys: int, seed: int) -> Records:
    from llm_compare.allocation.problems.problem import Origin
    from llm_compare.allocation.problems.synthetic import (
        synthetic_candidates,
        synthetic_kidneys,
        synthetic_source,
    )

    return Records(
        candidates=synthetic_candidates(n_candidates, seed=seed),
        kidneys=synthetic_kidneys(n_kidneys, seed=seed),
        origin=Origin.SYNTHETIC,
        source=synthetic_source(seed),
        said={},
    )
