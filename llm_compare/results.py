"""People against several models: every measure, from answers and replies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from exchange.pool import Pool
from llm_compare.alignment import Alignment, align_all
from llm_compare.consequences import Consequences, compare_clearings
from llm_compare.errors import NotComparable
from llm_compare.replies_file import ReplyFile
from llm_compare.reply import RecordedReply
from llm_compare.respondents import ReplyTally, answers_of
from survey.answers import AnswerSet
from survey.design import LISTABLE, Attribute, Profile, make_profile


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """Everything measured about one model."""

    alignment: Alignment
    consequences: Consequences | None
    """None where no pool was cleared."""
    replies: Sequence[RecordedReply]
    tally: ReplyTally
    is_scripted: bool

    @property
    def label(self) -> str:
        """The model string, or what tells two runs of one model apart."""
        return self.alignment.model.label


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutChoice:
    """A model none of whose replies is a readable choice: nothing to align, but refusing is a finding."""

    label: str
    replies: Sequence[RecordedReply]
    tally: ReplyTally
    is_scripted: bool

    @property
    def came_to(self) -> str:
        """What its replies came to, in words."""
        return ", ".join(f"{n} {outcome}" for outcome, n in self.tally.counts.items() if n) or "no replies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All models of a comparison."""

    results: tuple[ModelResult, ...]
    """At least one."""
    without_choice: tuple[WithoutChoice, ...]


def compare_models(
    people: AnswerSet,
    files: Mapping[str, ReplyFile],
    *,
    pool: Pool | None,
    cycle_cap: int,
    chain_cap: int,
    bootstrap: int,
    n_splits: int,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Compared:
    """Measure how far each model is from the people, and what their weights do to ``pool``.

    Parameters
    ----------
    files
        Label -> replies of one model, all to the same study.
    pool
        Cleared with people's and each model's weights; None for no clearing.
    bootstrap, n_splits, seed
        See :func:`llm_compare.alignment.align_all`.

    Raises
    ------
    NotComparable
        The files are of different studies, no model made a readable choice, or a model's answers cannot be
        compared with the people's.
    """
    hashes = {file.design_hash for file in files.values()}
    if len(hashes) > 1:
        raise NotComparable(
            "the replies were given to different studies or versions: "
            + ", ".join(f"{label} to {file.slug} ({file.design_hash[:12]})" for label, file in files.items())
            + "; compare them one study at a time"
        )
    sets, tallies = {}, {}
    without_choice = []
    for label, file in files.items():
        answers, tally = answers_of(file.replies, file.attributes, source=f"replies of {label}")
        if tally.answers:
            sets[label], tallies[label] = answers, tally
        else:
            without_choice.append(
                WithoutChoice(label=label, replies=file.replies, tally=tally, is_scripted=file.scripted)
            )
    if not sets:
        raise NotComparable(
            "no reply of any model is a readable choice: "
            + "; ".join(f"{w.label} gave {w.came_to}" for w in without_choice)
            + ". Look at the replies in the files, then ask again with other settings"
        )
    attributes = next(iter(files.values())).attributes
    progress(f"fitting weights for people and {len(sets)} model(s)")
    alignments = [
        replace(alignment, notes=(*alignment.notes, *_incomplete(label, files[label])))
        for label, alignment in zip(
            sets,
            align_all(
                people,
                sets,
                profiles=_profiles(attributes, people),
                bootstrap=bootstrap,
                n_splits=n_splits,
                seed=seed,
            ),
            strict=True,
        )
    ]
    results = tuple(
        ModelResult(
            alignment=alignment,
            consequences=None
            if pool is None
            else compare_clearings(
                pool,
                alignment.people.fit.weights,
                alignment.model.fit.weights,
                cycle_cap=cycle_cap,
                chain_cap=chain_cap,
                progress=progress,
            ),
            replies=files[label].replies,
            tally=tallies[label],
            is_scripted=files[label].scripted,
        )
        for alignment, label in zip(alignments, sets, strict=True)
    )
    return Compared(results=results, without_choice=tuple(without_choice))


def _incomplete(label: str, file: ReplyFile) -> tuple[str, ...]:
    missing = file.planned - len(file.replies)
    if not missing:
        return ()
    return (f"the run of {label} was stopped: {missing} of {file.planned} planned calls were not made",)


def _profiles(attributes: Sequence[Attribute], people: AnswerSet) -> tuple[Profile, ...]:
    """Return the profiles over which orders are compared: all conceivable ones, or those people judged."""
    if prod(len(a.values) for a in attributes) > LISTABLE:
        return tuple(dict.fromkeys(p for a in people.answers for p in (a.left, a.right)))
    names = [a.name for a in attributes]
    return tuple(
        make_profile(attributes, dict(zip(names, values, strict=True)))
        for values in product(*(a.values for a in attributes))
    )
