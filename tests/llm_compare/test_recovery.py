"""The whole line: a synthetic model with known weights and position bias, asked over HTTP by litellm."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from llm_compare.alignment.resampling import Resampling
from llm_compare.asking.client import ModelClient
from llm_compare.asking.run import ask
from llm_compare.asking.scripted import PlantedRespondent
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.report.compared import Consequential, compare_models
from llm_compare.report.record import Report
from survey.answers import Answer, AnswerSet, Choice, Presentation, RespondentKind
from survey.design import design_hash

REPEATS = 12
PEOPLE = 150
OF_PEOPLE = {"age=old": -1.6, "drinking=frequent": -0.4, "health=cancer": -0.8}
OF_MODEL = {"age=old": -0.4, "drinking=frequent": -1.6, "health=cancer": -0.8}
LEFT_BIAS = 0.7
PEOPLE_UNDECIDED, MODEL_UNDECIDED = 0.2, -1.2


@pytest.fixture(scope="module")
def people(kidney_8) -> AnswerSet:
    """People who answer all comparisons once, sides by chance, with the people's coefficients."""
    planted = PlantedRespondent(kidney_8, OF_PEOPLE, indecision=PEOPLE_UNDECIDED)
    rng = np.random.default_rng(11)
    answers = []
    for person in range(PEOPLE):
        for comparison in kidney_8.comparisons():
            one, other = comparison.first, comparison.second
            left, right = (one, other) if rng.random() < 0.5 else (other, one)
            shares = planted.probabilities(presented(kidney_8, left, right))
            answers.append(
                Answer(
                    respondent=f"p{person}",
                    kind=RespondentKind.HUMAN,
                    arm=kidney_8.arms[0].name,
                    position=None,
                    left=left,
                    right=right,
                    choice=list(shares)[int(rng.choice(3, p=list(shares.values())))],
                    indecision_offered=True,
                    design_hash=design_hash(kidney_8),
                )
            )
    return AnswerSet(attributes=kidney_8.attributes, answers=tuple(answers), source="planted")


def presented(design, left, right) -> Presentation:
    order = tuple(a.name for a in design.attributes)
    return Presentation(left=left, right=right, attribute_order=order, indecision_offered=True, position=1)


@pytest.fixture
def report(kidney_8, people, provider, serve, sessions) -> Report:
    """What comes out of asking the synthetic model behind the provider's interface."""
    requests = plan_requests(
        kidney_8,
        kidney_8.comparisons(),
        arm=kidney_8.arms[0],
        model="openai/synthetic",
        settings=Settings(temperature=1.0),
        repeats=REPEATS,
        api_base=provider.url,
    )
    # The server knows nothing but the words of the prompt.
    meant = {r.messages[-1].content: r for r in requests}
    planted = PlantedRespondent(kidney_8, OF_MODEL, left_bias=LEFT_BIAS, indecision=MODEL_UNDECIDED)
    # A stream for each prompt: in whichever order calls arrive, a prompt is answered the same REPEATS times.
    streams = {words: np.random.default_rng([5, crc32(words.encode())]) for words in meant}

    def answer(body, key):
        words = body["messages"][-1]["content"]
        request = meant[words]
        shares = planted.probabilities(request.presentation)
        with provider.lock:
            choice = list(shares)[int(streams[words].choice(3, p=list(shares.values())))]
        return serve(content=request.labels.mark(choice))

    provider.next_response = answer
    client = ModelClient(timeout_seconds=20)
    asked = ask(sessions, requests, client, rng=np.random.default_rng(0), concurrency=16)
    assert asked.complete
    file = ReplyFile(
        model="openai/synthetic",
        slug=kidney_8.slug,
        title=kidney_8.title,
        design_hash=design_hash(kidney_8),
        attributes=kidney_8.attributes,
        planned=asked.planned,
        replies=asked.replies,
    )
    return compare_models(
        people,
        {"synthetic": file},
        title="Recovery",
        people_source="planted",
        resampling=Resampling(n_draws=60, seed=1),
        n_splits=20,
        exchange=Consequential(n_pools=4),
        manifest={},
    )


def expected(design, coefficients, *, left_bias: float, indecision: float) -> dict[str, float]:
    """The exact rates of a planted respondent over the design's comparisons, both ways round."""
    planted = PlantedRespondent(design, coefficients, left_bias=left_bias, indecision=indecision)
    shown = [
        planted.probabilities(presented(design, *pair))
        for c in design.comparisons()
        for pair in ((c.first, c.second), (c.second, c.first))
    ]
    undecided = float(np.mean([p[Choice.INDECISION] for p in shown]))
    left = float(np.mean([p[Choice.LEFT] for p in shown]))
    return {"indecision": undecided, "left": left / (1 - undecided)}


def test_a_planted_model_asked_over_http_comes_out_as_planted_and_every_call_is_accounted_for(
    report, kidney_8
):
    (model,) = report.models
    found = model.measured.alignment
    of_model = expected(kidney_8, OF_MODEL, left_bias=LEFT_BIAS, indecision=MODEL_UNDECIDED)
    of_people = expected(kidney_8, OF_PEOPLE, left_bias=0.0, indecision=PEOPLE_UNDECIDED)

    # Indecision, of both sides, within the interval of each and near the truth.
    assert found.indecision.model.value == pytest.approx(of_model["indecision"], abs=0.045)
    assert found.indecision.people.value == pytest.approx(of_people["indecision"], abs=0.03)
    assert found.indecision.gap.high < 0

    # Position: log-odds of the left, with an interval that holds the truth.
    effect = found.position.model.effect
    assert abs(effect.log_odds - LEFT_BIAS) < 3.5 * effect.se
    assert effect.low > 0.2
    of_side = found.position.people.effect
    assert abs(of_side.log_odds) < 3.5 * of_side.se
    assert found.position.model.left.value == pytest.approx(of_model["left"], abs=0.07)

    # Weights: what each attribute's share of all effects is.
    shares = {a.attribute: a.share for a in found.coefficients.attributes}
    for planted, side in ((OF_PEOPLE, "people"), (OF_MODEL, "model")):
        total = sum(abs(b) for b in planted.values())
        for name, b in planted.items():
            measured = getattr(shares[name.partition("=")[0]], side)
            assert measured.se < 0.06
            assert abs(measured.value - abs(b) / total) < 3.5 * measured.se

    # It passes over the old less than people do, and who drinks much more: the exchange follows.
    gains = {(g.attribute, g.group): g.per_hundred.value for g in model.pools.groups}
    assert any(value > 0 for (attribute, _), value in gains.items() if attribute == "age")

    # Every call is accounted for, and named as the server named itself.
    calls = model.measured.calls
    assert calls.outcomes.n == 28 * 2 * REPEATS
    assert sum(calls.outcomes.counts.values()) == calls.outcomes.n
    assert calls.outcomes.counts["error"] == calls.outcomes.counts["unreadable"] == 0
    assert calls.returned_models == ("served-2026-11",)
    assert calls.first_asked <= calls.last_asked
