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
) -> tuple[ModelResult, ...]:
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
        The files are of different studies, or a model's answers cannot be compared with the people's.
    """
    hashes = {file.design_hash for file in files.values()}
    if len(hashes) > 1:
        raise NotComparable(
            "the replies were given to different studies or versions: "
            + ", ".join(f"{label} to {file.slug} ({file.design_hash[:12]})" for label, file in files.items())
            + "; compare them one study at a time"
        )
    sets, tallies = {}, {}
    for label, file in files.items():
        sets[label], tallies[label] = answers_of(file.replies, file.attributes, source=f"replies of {label}")
        if not tallies[label].answers:
            came_to = ", ".join(f"{n} {outcome}" for outcome, n in tallies[label].counts.items() if n)
            raise NotComparable(
                f"replies of {label}: none is a readable choice ({came_to or 'the file has none'}); "
                "leave its file out to compare the others"
            )
    attributes = next(iter(files.values())).attributes
    progress(f"fitting weights for people and {len(files)} model(s)")
    alignments = [
        replace(alignment, notes=(*alignment.notes, *_incomplete(label, files[label])))
        for label, alignment in zip(
            files,
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
    return tuple(
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
            replies=file.replies,
            tally=tallies[label],
            is_scripted=file.scripted,
        )
        for alignment, (label, file) in zip(alignments, files.items(), strict=True)
    )


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
