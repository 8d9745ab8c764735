"""A real record: synthetic people, a planted model in two variants and a scripted one, aligned and cleared."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from exchange.pool_generator import generate_pool
from llm_compare.alignment.resampling import Resampling
from llm_compare.asking.scripted import PlantedRespondent, ScriptedRespondent
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.variant import Framing, Variant
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.reply import Failure, RecordedReply, Reply
from llm_compare.report.compared import Consequential, Years, compare_models
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import StudyDesign, design_hash

PEOPLE = {"age=old": -1.2, "drinking=frequent": -1.0, "health=cancer": -0.5}
MODEL = {"age=old": -2.0, "drinking=frequent": -0.3, "health=cancer": -0.5}
START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


def people_of(design: StudyDesign, *, n: int = 40, per_person: int = 14, seed: int = 5) -> AnswerSet:
    """Return the answers of people with planted weights who each differ a little."""
    rng = np.random.default_rng(seed)
    every = design.comparisons()
    assert every is not None
    arm = design.arms[0]
    answers = []
    for person in range(n):
        own = {name: value + rng.normal(0, 0.5) for name, value in PEOPLE.items()}
        respondent = PlantedRespondent(design, own, indecision=-0.3)
        for comparison in (every[i] for i in rng.permutation(len(every))[:per_person]):
            first, second = comparison.first, comparison.second
            left, right = (first, second) if rng.random() < 0.5 else (second, first)
            gap = respondent.log_strength(left) - respondent.log_strength(right)
            odds = np.exp([gap / 2, -gap / 2, -0.3])
            choice = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)[rng.choice(3, p=odds / odds.sum())]
            answers.append(
                Answer(
                    respondent=f"p{person}",
                    kind=RespondentKind.HUMAN,
                    arm=arm.name,
                    position=None,
                    left=left,
                    right=right,
                    choice=choice,
                    indecision_offered=arm.indecision_offered,
                    design_hash=design_hash(design),
                )
            )
    return AnswerSet(attributes=design.attributes, answers=answers, source="made for a test")


def _said(answer: Coroutine[Any, Any, Reply]) -> Reply:
    """Return what a script says at once; a browser's event loop may be running already, so none is started."""
    try:
        answer.send(None)
    except StopIteration as done:
        reply: Reply = done.value
        return reply
    raise AssertionError("scripts answer without waiting")


def replies_of(
    design: StudyDesign,
    model: str,
    effects: Mapping[str, float] | None,
    *,
    variants: tuple[Variant, ...] = (Variant(),),
    repeats: int = 3,
    left_bias: float = 0.4,
    indecision: float = -1.5,
    seed: int = 0,
    asked: datetime = START,
    every_refused: bool = False,
) -> ReplyFile:
    """Return replies of a planted model (or of the script that ``model`` names), without a network."""
    every = design.comparisons()
    assert every is not None
    requests = plan_requests(
        design,
        every,
        arm=design.arms[0],
        model=model,
        settings=Settings(),
        variants=variants,
        repeats=repeats,
    )
    respondent = (
        ScriptedRespondent(design, model)
        if effects is None
        else PlantedRespondent(design, effects, left_bias=left_bias, indecision=indecision, seed=seed)
    )

    found = []
    for i, (request, reply) in enumerate(
        zip(requests, (_said(respondent.reply(r)) for r in requests), strict=True)
    ):
        if effects is not None:
            reply = replace(
                reply,
                returned_model=f"{model.split('/')[-1]}-2026-10-01",
                system_fingerprint="fp_1",
                tokens_in=120,
                tokens_out=2,
                cost_usd=0.0001,
                attempts=2 if i % 41 == 0 else 1,
                asked_at=asked + timedelta(seconds=i),
            )
            if every_refused or i % 37 == 36:
                reply = replace(reply, content="I'm sorry, but I can't help with that.")
            elif i % 53 == 52:
                error = Failure(kind="RateLimitError", status=429, message="too many requests")
                reply = Reply(content=None, error=error, attempts=5, asked_at=reply.asked_at)
        found.append(RecordedReply(request=request, reply=reply))
    return ReplyFile(
        model=model,
        slug=design.slug,
        title=design.title,
        design_hash=design_hash(design),
        attributes=design.attributes,
        planned=len(requests),
        replies=tuple(found),
    )


def record_of(
    design: StudyDesign,
    answers: AnswerSet,
    files: Mapping[str, ReplyFile],
    *,
    exchange: Consequential | None = None,
    n_draws: int = 30,
) -> dict[str, Any]:
    """Return the record of people against models as it stands in the file."""
    report = compare_models(
        answers,
        files,
        title="People and models",
        people_source="",
        resampling=Resampling(n_draws=n_draws, seed=1),
        n_splits=20,
        exchange=exchange or Consequential(),
        manifest={"equipoise": "0", "inputs": {"answers": {"sha256": "0" * 64}}},
    )
    record: dict[str, Any] = json.loads(json.dumps(report.record()))
    return record


@pytest.fixture(scope="session")
def report_answers(kidney_8: StudyDesign) -> AnswerSet:
    """Return the people of every record."""
    return people_of(kidney_8)


@pytest.fixture(scope="session")
def record(
    kidney_8: StudyDesign, report_answers: AnswerSet, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return a record with every section: a planted model in two variants, a scripted one, one that refused."""
    variants = (Variant(), Variant(name="ethicist", framing=Framing.ETHICIST))
    files = {
        "openai/gpt-test": replies_of(kidney_8, "openai/gpt-test", MODEL, variants=variants),
        "scripted/always-left": replies_of(kidney_8, "scripted/always-left", None, repeats=2),
        "openai/silent": replies_of(kidney_8, "openai/silent", MODEL, repeats=1, every_refused=True),
    }
    exchange = Consequential(
        pool=generate_pool(kidney_8, n_pairs=24, n_ndds=1, seed=3),
        n_pools=3,
        years=Years(folder=tmp_path_factory.mktemp("years"), years=0.5, n_seeds=2),
    )
    return record_of(kidney_8, report_answers, files, exchange=exchange)


@pytest.fixture(scope="session")
def record_with(kidney_8: StudyDesign, report_answers: AnswerSet) -> Callable[..., dict[str, Any]]:
    """Return a function that aligns one planted model, without consequences: a run at some other time."""

    def aligned(
        effects: Mapping[str, float] = MODEL,
        *,
        answers: AnswerSet = report_answers,
        label: str = "openai/gpt-test",
        **asking: Any,
    ) -> dict[str, Any]:
        file = replies_of(kidney_8, "openai/gpt-test", effects, **asking)
        return record_of(kidney_8, answers, {label: file}, n_draws=20)

    return aligned


@pytest.fixture(scope="session")
def start() -> datetime:
    """Return when the first run was asked."""
    return START


@pytest.fixture(scope="session")
def record_for(kidney_8: StudyDesign) -> Callable[..., dict[str, Any]]:
    """Return a function that aligns one planted model, asked once, with other people."""

    def aligned(
        answers: AnswerSet, *, exchange: Consequential | None = None, indecision: float = -1.5
    ) -> dict[str, Any]:
        file = replies_of(kidney_8, "openai/m", MODEL, repeats=1, indecision=indecision)
        return record_of(kidney_8, answers, {"m": file}, exchange=exchange, n_draws=8)

    return aligned
