"""Before and after tuning: everything that is measured of a base and its adapters, as one record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.sides import people_under
from llm_compare.errors import CannotTune, NotComparable
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.plan import drawn_from
from llm_compare.report.record import people_origin
from llm_compare.tuning.evaluation.adapters import Adapter, Adapters, check_base
from llm_compare.tuning.evaluation.answering import Asker
from llm_compare.tuning.evaluation.baselines import Baseline, constant_baseline, weights_baseline
from llm_compare.tuning.evaluation.before_after import PREPARED, compared_by_letter
from llm_compare.tuning.evaluation.curve import Curve, Learned, learning_curve, shown
from llm_compare.tuning.evaluation.distractors import (
    DistractorMoved,
    distractor_moved,
    pairs_with,
    with_distractor,
)
from llm_compare.tuning.evaluation.groups import (
    EVERYBODY,
    NOBODY,
    PERSONA,
    SEPARATE,
    TunedOn,
    group_rows,
)
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.measures import MEASURES
from llm_compare.tuning.evaluation.other_prompts import prompts_moved
from llm_compare.tuning.evaluation.other_studies import OtherStudy, study_moved
from llm_compare.tuning.evaluation.questions import Questions
from llm_compare.tuning.evaluation.share_table import ShareTable
from llm_compare.tuning.evaluation.texts import text_moved
from llm_compare.tuning.models.local_model import FINGERPRINT_DIGITS, LocalModel
from llm_compare.tuning.models.personas import DISTRACTOR
from llm_compare.tuning.training_sets.groups import Group
from llm_compare.tuning.training_sets.held_out import TestSet
from llm_compare.tuning.training_sets.prepared import Prepared
from llm_compare.tuning.training_sets.training_file import answers_of
from survey.answers import AnswerSet
from survey.design import CategoricalAttribute, Comparison, design_hash

FORMAT, FORMAT_VERSION = "equipoise tuning", 1
_ORDER = (TestSet.COMPARISONS, TestSet.BOTH, TestSet.PARTICIPANTS, TestSet.LEVELS)
"""The test that details are of is the first of these that there is."""
FEWEST_COMPARISONS = 30
"""Smaller tests are measured if they are named, or if there is no larger one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """What is measured, and how long it may take."""

    tests: tuple[TestSet, ...] = ()
    """Empty for all with at least :data:`FEWEST_COMPARISONS` comparisons, or all if none has so many."""
    n_comparisons: int | None = 300
    """For the parts beside the learning curve, so many of the main test's comparisons are drawn; None for all."""
    repeats: int = 3
    """Drawn answers to each presentation in the detailed comparison before and after."""
    n_draws: int = 200
    """Of people and comparisons, for intervals."""
    seed: int = 0
    distractors: tuple[CategoricalAttribute, ...] = (DISTRACTOR,)
    others: tuple[OtherStudy, ...] = ()
    texts: tuple[Path, ...] = field(default=())
    people_source: str = ""
    """What the user states about whose answers these are; without it nothing is claimed."""

    @property
    def resampling(self) -> Resampling:
        """How intervals over people and comparisons are made."""
        return Resampling(n_draws=self.n_draws, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tuned:
    """An adapter with its shares of all held-out comparisons."""

    adapter: Adapter
    fingerprint: str
    """Of the base under it."""
    table: ShareTable


def evaluate(
    prepared: Prepared,
    base: LocalModel,
    adapters: Adapters,
    settings: EvaluationSettings,
    *,
    source: str,
    asker: Asker,
    manifest: Mapping[str, object],
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the content of ``tuning.json``.

    Parameters
    ----------
    source
        What the base is called by whoever loads it: its folder's name, or its name on the hub.
    asker
        Asks models, and keeps their replies.
    manifest
        Inputs, settings and versions.

    Raises
    ------
    BadModel
        An adapter was trained over another base.
    CannotTune
        Nothing was held out, or the sets' answers do not begin with their marks.
    NotMeasurable, NotComparable
        A text or another study that cannot be measured.
    llm_compare.tuning.evaluation.answering.Stopped
        Somebody asked to stop.
    """
    questions = Questions.of(prepared.design, prepared.arm, prepared.variant, asker)
    check_base(adapters.found, base)
    run = _Run(
        prepared=prepared, base=base, settings=settings, questions=questions, manifest=manifest, say=say
    )
    return run.record(adapters.found, source=source, notes=list(adapters.notes))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    prepared: Prepared
    base: LocalModel
    settings: EvaluationSettings
    questions: Questions
    manifest: Mapping[str, object]
    say: Callable[[str], None]

    def record(self, adapters: Sequence[Adapter], *, source: str, notes: list[str]) -> dict[str, Any]:
        """Measure everything."""
        tests = self._tests(notes)
        comparisons = tuple(dict.fromkeys(c for test in tests for c in test.comparisons))
        before = self.questions.shares(self.base, "base", comparisons)
        tuned = [self._asked(adapter, comparisons) for adapter in adapters]
        learned, baseline_notes = self._learned(tuned, comparisons)
        notes += baseline_notes
        curves = []
        for test in tests:
            self.say(f"measuring on {test.name}")
            curves.append(
                learning_curve(test, before, learned.get("", []), self.settings.resampling),
            )
            for group in self.prepared.groups:
                if of_group := self._of_group(test, group.name):
                    curves.append(
                        learning_curve(
                            of_group,
                            before,
                            learned.get(group.name, []),
                            self.settings.resampling,
                            group=group.name,
                        )
                    )
        main = tests[0]
        shown_with = _largest([t for t in tuned if not t.adapter.entry.group and not _is_persona(t)])
        details: dict[str, Any] = {"before_after": None, "moved": None}
        if shown_with is not None:
            with shown_with.adapter.over(self.base) as after:
                details, more_notes = self._details(main, shown_with.adapter.entry.name, after)
            notes += more_notes
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "study": {
                "slug": self.prepared.design.slug,
                "title": self.prepared.design.title,
                "design_hash": design_hash(self.prepared.design),
                "people_source": self._people_source(tests),
            },
            "training": _training(self.prepared),
            "base": {
                "name": self.base.name,
                "source": source,
                "fingerprint": self.base.fingerprint[:FINGERPRINT_DIGITS],
                "n_parameters": self.base.n_parameters,
            },
            "tests": [test.as_dict() for test in tests],
            "measures": [m.as_dict() for m in MEASURES],
            "curve": [row.as_dict() for curve in curves for row in curve.rows],
            "differences": [row.as_dict() for curve in curves for row in curve.differences],
            "people": [
                {
                    "test": test.name,
                    "values": {
                        key.value: shown(value)
                        for key, value in test.among_themselves(self.settings.resampling).items()
                    },
                }
                for test in tests
            ],
            **details,
            "groups": [row.as_dict() for row in self._groups(tests, before, tuned)],
            "adapters": [t.adapter.as_dict(fingerprint=t.fingerprint) for t in tuned],
            "notes": list(dict.fromkeys([*self.prepared.manifest["notes"], *notes])),
            "manifest": dict(self.manifest),
        }

    def _tests(self, notes: list[str]) -> tuple[HeldOutPeople, ...]:
        """Return the tests to measure on; those left out are noted."""
        every = tuple(t for t in _ORDER if t in self.prepared.tests)
        if not every:
            raise CannotTune(
                f"{self.prepared.folder}: nothing was held out, so nothing can be measured; prepare it with "
                "--hold-out-comparisons or --hold-out-participants"
            )
        if self.settings.tests:
            return tuple(self._held_out(test) for test in self.settings.tests)
        found = [self._held_out(test) for test in every]
        large = [test for test in found if len(test.comparisons) >= FEWEST_COMPARISONS] or found
        notes += [
            f"test '{test.name}' holds {len(test.comparisons)} comparisons, which tell little, and is left out; "
            f"--tests {test.name} measures it all the same"
            for test in found
            if test not in large
        ]
        return tuple(large)

    def _people_source(self, tests: Sequence[HeldOutPeople]) -> dict[str, str]:
        """Say who gave the answers, as far as that is known: respondents of a rehearsal are simulated."""
        held_out = AnswerSet(
            attributes=self.prepared.design.attributes,
            answers=tuple(answer for test in tests for answer in test.people.answers),
            source=PREPARED,
        )
        origin = people_origin(held_out, self.settings.people_source)
        return {"kind": origin.kind, "words": origin.words}

    def _held_out(self, test: TestSet, group: str = "") -> HeldOutPeople:
        answers = self.prepared.test_answers(test, group)
        return HeldOutPeople(
            name=test.value,
            words=test.words_of(answers.answers),
            people=people_under(
                answers,
                self.prepared.design.attributes,
                indecision_offered=self._offered,
                design_hash=design_hash(self.prepared.design),
            ),
        )

    def _of_group(self, test: HeldOutPeople, group: str) -> HeldOutPeople | None:
        """Return a group's answers; None where nobody held out is known to be of it."""
        try:
            return self._held_out(TestSet(test.name), group)
        except (CannotTune, NotComparable):
            return None

    @property
    def _offered(self) -> bool:
        prepared = self.prepared
        return Wording.of(prepared.design, arm=prepared.arm, variant=prepared.variant).indecision_offered

    def _asked(self, adapter: Adapter, comparisons: Sequence[Comparison]) -> _Tuned:
        with adapter.over(self.base) as model:
            return _Tuned(
                adapter=adapter,
                fingerprint=model.fingerprint,
                table=self.questions.shares(model, adapter.entry.name, comparisons),
            )

    def _learned(
        self, tuned: Iterable[_Tuned], comparisons: Sequence[Comparison]
    ) -> tuple[dict[str, list[Learned]], list[str]]:
        """Return what was learned by group, personas apart, and notes on the plain models."""
        by_group: dict[str, list[Learned]] = {}
        said: Counter[str] = Counter()
        attributes = self.prepared.design.attributes
        for one in tuned:
            if _is_persona(one):
                continue
            entry = one.adapter.entry
            self.say(f"fitting attribute weights to {entry.name}")
            answers = answers_of(one.adapter.training_set)
            tables = {
                Curve.TUNED: one.table,
                Curve.CONSTANT: constant_baseline(answers, comparisons).table,
            }
            plain = weights_baseline(answers, attributes, comparisons)
            if isinstance(plain, Baseline):
                tables[Curve.WEIGHTS] = plain.table
            else:
                said[plain] += 1
            by_group.setdefault(entry.group, []).append(
                Learned(group=entry.group, size=entry.size, draw=entry.draw, tables=tables)
            )
        notes = [f"of {n} training set(s) {text}" for text, n in said.items()]
        return by_group, notes

    # --- before and after in detail ---------------------------------------------------------------------

    def _details(self, main: HeldOutPeople, name: str, after: LocalModel) -> tuple[dict[str, Any], list[str]]:
        settings, questions = self.settings, self.questions
        comparisons = main.comparisons
        notes: list[str] = []
        if settings.n_comparisons is not None and settings.n_comparisons < len(comparisons):
            rng = np.random.default_rng(settings.seed)
            comparisons = drawn_from(comparisons, settings.n_comparisons, rng)
            notes.append(
                f"what else moved, and before and after in detail, are of {len(comparisons)} of the "
                f"{len(main.comparisons)} comparisons of the test, drawn by chance"
            )
        test = _restricted(main, comparisons)
        prompts, prompt_notes = prompts_moved(
            questions, test, comparisons, self.base, after, settings.resampling
        )
        notes += prompt_notes
        distractors, distractor_notes = self._distractors(comparisons, after)
        notes += distractor_notes
        studies = []
        for other in settings.others:
            moved, study_notes = study_moved(
                other,
                questions,
                self.base,
                after,
                settings.resampling,
                most_comparisons=settings.n_comparisons,
                seed=settings.seed,
            )
            notes += study_notes
            studies += [] if moved is None else [moved]
        self.say("reading texts")
        texts = [text_moved(path, self.base, after) for path in settings.texts]
        detailed: dict[str, Any] | None
        try:
            detailed = compared_by_letter(
                questions,
                test,
                comparisons,
                self.base,
                after,
                repeats=settings.repeats,
                resampling=settings.resampling,
                people_source=settings.people_source,
                manifest=self.manifest,
                say=self.say,
            )
        except NotComparable as error:
            # A base that does not answer at all can still be tuned; the curve shows what became of it.
            detailed = None
            notes.append(f"before and after are not compared in detail: {error}")
        return {
            "before_after": detailed,
            "moved": {
                "with": name,
                "test": main.name,
                "distractors": [d.as_dict() for d in distractors],
                "other_studies": [s.as_dict() for s in studies],
                "other_prompts": [p.as_dict() for p in prompts],
                "texts": [t.as_dict() for t in texts],
            },
        }, notes

    def _distractors(
        self, comparisons: Sequence[Comparison], after: LocalModel
    ) -> tuple[list[DistractorMoved], list[str]]:
        found, notes = [], []
        for number, attribute in enumerate(self.settings.distractors):
            design = with_distractor(self.prepared.design, attribute)
            questions = replace(self.questions, design=design)
            rng = np.random.default_rng((self.settings.seed, number))
            pairs = pairs_with(comparisons, design, rng=rng)
            asked = tuple(dict.fromkeys(c for pair in pairs for c in (pair.one, pair.other)))
            if line := questions.unknown_words(self.base, asked):
                notes.append(
                    f"nothing is said of '{attribute.label}': {self.base.label} does not know the line '{line}'"
                )
                continue
            tables = [
                questions.shares(model, f"{name}.{attribute.name}", asked)
                for name, model in (("before", self.base), ("after", after))
            ]
            found.append(distractor_moved(attribute, pairs, *tables))
        return found, notes

    # --- groups -----------------------------------------------------------------------------------------

    def _groups(
        self, tests: Sequence[HeldOutPeople], before: ShareTable, tuned: Sequence[_Tuned]
    ) -> list[Any]:
        rows: list[Any] = []
        if not self.prepared.groups:
            return rows
        separate = [TunedOn(trained_on=NOBODY, asked_as=SEPARATE, size=0, tables=[before])]
        for name in ("", *(g.name for g in self.prepared.groups)):
            if mine := _of_largest(
                [t for t in tuned if t.adapter.entry.group == name and not _is_persona(t)]
            ):
                separate.append(
                    TunedOn(
                        trained_on=name or EVERYBODY,
                        asked_as=SEPARATE,
                        size=mine[0].adapter.entry.size,
                        tables=[t.table for t in mine],
                    )
                )
        personas = _of_largest([t for t in tuned if _is_persona(t)])
        for group in self.prepared.groups:
            test = next(filter(None, (self._of_group(t, group.name) for t in tests)), None)
            if test is None:
                continue
            as_one = TunedOn(
                trained_on=EVERYBODY,
                asked_as=PERSONA,
                size=personas[0].adapter.entry.size if personas else 0,
                tables=[self._asked_as(group, t.adapter, test.comparisons) for t in personas],
            )
            rows += group_rows(test, group.name, [*separate, *([as_one] if personas else [])])
        return rows

    def _asked_as(self, group: Group, adapter: Adapter, comparisons: Sequence[Comparison]) -> ShareTable:
        questions = self.questions.asked_as(self.prepared.variant_as(group))
        with adapter.over(self.base) as model:
            return questions.shares(model, f"{adapter.entry.name}.{group.name}", comparisons)


def _is_persona(tuned: _Tuned) -> bool:
    return tuned.adapter.entry.personas


def _of_largest(tuned: Sequence[_Tuned]) -> list[_Tuned]:
    """Return those of the largest size, by draw."""
    most = max((t.adapter.entry.size for t in tuned), default=0)
    return sorted((t for t in tuned if t.adapter.entry.size == most), key=lambda t: t.adapter.entry.draw)


def _largest(tuned: Sequence[_Tuned]) -> _Tuned | None:
    """Return the first draw of the largest size."""
    return next(iter(_of_largest(tuned)), None)


def _restricted(test: HeldOutPeople, comparisons: Sequence[Comparison]) -> HeldOutPeople:
    kept = set(comparisons)
    answers = tuple(a for a in test.people.answers if a.comparison in kept)
    return replace(test, people=replace(test.people, answers=answers))


def _training(prepared: Prepared) -> dict[str, Any]:
    manifest = prepared.manifest
    return {
        "labels": prepared.labels.value,
        "sides": prepared.sides.value,
        "variant": prepared.variant.as_dict(),
        "sizes": manifest["sizes"],
        "n_draws": manifest["draws"],
        **manifest["training"],
        "held_out": manifest["held_out"],
        "groups": manifest["groups"],
        "groups_from": manifest["groups_from"],
    }
