"""Records for the page: numbers invented but for before and after, which two planted respondents answered."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from typing import Any

import numpy as np
import pytest

from llm_compare.alignment.resampling import Resampling
from llm_compare.asking.scripted import PlantedRespondent
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.reply import RecordedReply, Reply
from llm_compare.report.compared import Consequential, compare_models
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import StudyDesign, design_hash

MEASURES = (
    ("person", "Gives a random person's answer", "as people"),
    ("likeliest", "People who answer as the model most likely does", "more"),
    ("log_score", "Log score of people's answers, in bits", "more"),
    ("distance", "Squared distance from people's shares", "less"),
    ("indecision", "Indecision", "as people"),
    ("indecision_auc", "Indecision in the same places", "more"),
    ("sides", "Same answer with sides exchanged", "more"),
    ("lost_by_exchange", "Lost by exchanging sides", "less"),
)
BASE = {
    "person": 0.39,
    "likeliest": 0.52,
    "log_score": -2.6,
    "distance": 0.4,
    "indecision": 0.003,
    "indecision_auc": 0.49,
    "sides": 0.95,
    "lost_by_exchange": 0.01,
}
TUNED = {
    "person": 0.48,
    "likeliest": 0.6,
    "log_score": -1.3,
    "distance": 0.05,
    "indecision": 0.16,
    "indecision_auc": 0.61,
    "sides": 0.51,
    "lost_by_exchange": 0.06,
}
TESTS = (
    ("comparisons", "new comparisons, answered by people whose other answers were trained on"),
    ("both", "new comparisons, answered by people none of whose answers was trained on"),
)
NONE: dict[str, Any] = {
    "value": None,
    "low": None,
    "high": None,
    "reason": "one draw: no interval over draws",
}


def measured(value: float, half: float | None = 0.02, **more: Any) -> dict[str, Any]:
    """Return a number with an interval, or without one and why."""
    if half is None:
        return {**NONE, "value": value, **more}
    return {"value": value, "low": value - half, "high": value + half, "reason": "", **more}


def values_between(share: float, half: float | None = 0.02, n_draws: int = 2) -> dict[str, Any]:
    """Return all measures so far on the way from the base to the tuned model."""
    found = {}
    for key, _, _ in MEASURES:
        value = BASE[key] + share * (TUNED[key] - BASE[key])
        found[key] = measured(value, half, by_draw=[value + 0.005 * (-1) ** d for d in range(n_draws)])
    return found


def differences(sign: float = 1.0, half: float = 0.02) -> dict[str, Any]:
    """Return what tuning changed in all measures."""
    return {key: measured(sign * (TUNED[key] - BASE[key]), half) for key, _, _ in MEASURES}


def _entry(
    test: str, respondent: str, size: int, values: Mapping[str, Any], n_draws: int = 2
) -> dict[str, Any]:
    return {
        "test": test,
        "group": "",
        "respondent": respondent,
        "size": size,
        "n_draws": n_draws,
        "n_comparisons": 200,
        "interval": "draws" if n_draws > 1 else "",
        "values": dict(values),
    }


def make_record(before_after: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a record with every part."""
    curve, minus = [], []
    for test, _ in TESTS:
        curve.append(_entry(test, "tuned", 0, values_between(0.0), n_draws=1))
        for size, share in ((16, 0.3), (64, 0.8), (256, 1.0)):
            curve += [
                _entry(test, "tuned", size, values_between(share)),
                _entry(test, "weights", size, values_between(0.9 * share)),
                _entry(test, "constant", size, values_between(0.2)),
            ]
            minus += [
                {"test": test, "group": "", "size": size, "minus": "base", "values": differences()},
                {"test": test, "group": "", "size": size, "minus": "weights", "values": differences(0.0)},
            ]
            if size > 16:
                values = differences(share - 0.3)
                minus.append({"test": test, "group": "", "size": size, "minus": "smallest", "values": values})
    groups = ("women", "men", "others")
    return {
        "study": {
            "slug": "kidney-8",
            "title": "Who gets the kidney",
            "design_hash": "d" * 64,
            "people_source": {"kind": "simulated", "words": "Made for a test."},
        },
        "training": {
            "labels": "answers",
            "sides": "both",
            "variant": {"name": "as-people", "framing": "plain", "persona": "", "paraphrase": None},
            "sizes": [16, 64, 256],
            "n_draws": 2,
            "n_answers": 256,
            "n_participants": 40,
            "n_comparisons": 28,
            "held_out": {"comparisons": 0.2, "participants": 0.2, "levels": ["age=old"]},
            "groups": [
                {"name": name, "words": f"one of the {name}", "n_participants": 10, "share": 1 / 3}
                for name in groups
            ],
        },
        "base": {
            "name": "tiny@3f9a1c0b2d4e",
            "source": "tiny",
            "fingerprint": "3f9a1c0b2d4e",
            "n_parameters": 49776,
        },
        "tests": [
            {
                "name": name,
                "words": words,
                "n_answers": 848,
                "n_comparisons": 803,
                "n_people": 106,
                "n_with_several_people": 40,
                "indecision": 0.17,
            }
            for name, words in TESTS
        ],
        "measures": [
            {"key": key, "name": name, "better": better, "explanation": f"What {key} means"}
            for key, name, better in MEASURES
        ],
        "curve": curve,
        "differences": minus,
        "people": [
            {"test": "comparisons", "values": {"person": measured(0.46), "log_score": NONE}},
            {"test": "both", "values": {"person": NONE}},
        ],
        "before_after": before_after,
        "moved": {
            "with": "all-0256-1",
            "distractors": [
                {
                    "attribute": "season",
                    "label": "Favorite season",
                    "levels": ["spring", "summer"],
                    "n_comparisons": 200,
                    "before": measured(0.004, 0.003),
                    "after": measured(0.021, 0.004),
                    "difference": measured(0.017, 0.005),
                    "by_level": [
                        {"level": "spring", "before": measured(0.0, 0.002), "after": measured(0.01, 0.02)}
                    ],
                }
            ],
            "other_studies": [
                {
                    "slug": "study-1",
                    "title": "Study 1",
                    "n_answers": 1860,
                    "n_comparisons": 15,
                    "before": values_between(0.0),
                    "after": values_between(0.5),
                    "difference": differences(0.5),
                    "toward_people": "the answers of people there are given more often",
                }
            ],
            "other_prompts": [
                {
                    "name": "numbers",
                    "words": "the answers are marked 1, 2, 3",
                    "n_comparisons": 200,
                    "same_before_after": measured(0.55),
                    "before": values_between(0.0),
                    "after": values_between(0.5),
                    "difference": differences(0.5),
                },
                {
                    "name": "no-indecision",
                    "words": "indecision is not offered",
                    "n_comparisons": 200,
                    "same_before_after": measured(0.62),
                    "before": {},
                    "after": {},
                    "difference": {},
                },
            ],
            "texts": [
                {
                    "file": "preamble.txt",
                    "n_tokens": 612,
                    "bits_per_token_before": 3.91,
                    "bits_per_token_after": 4.02,
                }
            ],
        },
        "groups": [
            {
                "trained_on": trained,
                "tested_on": tested,
                "as": way,
                "size": 64,
                "n_draws": 2,
                "n_comparisons": 80,
                "interval": "draws",
                "values": values_between(1.0 if trained == tested else 0.7),
            }
            for trained, way in (("all", "separate"), *((g, "separate") for g in groups), ("all", "persona"))
            for tested in groups
        ],
        "adapters": [
            {
                "name": f"all-{size:04d}-{draw}",
                "group": "",
                "size": size,
                "draw": draw,
                "fingerprint": "91bc00000000",
                "steps": 150,
                "best_step": 150,
                "loss_first": 2.1,
                "loss_last": 1.0,
                "n_parameters": 9216,
                "settings": {
                    "rank": 8,
                    "learning_rate": 0.005,
                    "gradient_checkpointing": False,
                    "target_modules": ["q"],
                },
            }
            for size in (16, 64, 256)
            for draw in (1, 2)
        ],
        "notes": ["all-0032-2 is incomplete and left out"],
        "manifest": {"settings": {"seed": 0}},
    }


def make_poorest(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a base alone: nothing tuned, nobody asked twice, nothing else asked."""
    poor: dict[str, Any] = json.loads(json.dumps(record))
    poor["study"].pop("people_source")
    poor["training"].update(labels="majority", n_draws=1, n_participants=None, groups=[], held_out={})
    poor["base"]["n_parameters"] = None
    poor["tests"] = [{**poor["tests"][0], "n_people": None, "n_with_several_people": 0, "indecision": None}]
    start = poor["curve"][0]
    start["values"] = {key: {**NONE, "reason": "nobody was asked"} for key in start["values"]}
    poor.update(
        curve=[start],
        differences=[],
        people=[],
        before_after=None,
        moved=None,
        groups=[],
        adapters=[],
        notes=[],
        manifest={},
    )
    return poor


@pytest.fixture(scope="session")
def before_after(kidney_8: StudyDesign) -> dict[str, Any]:
    """Return people beside two planted respondents that stand for the model before and after tuning."""
    every = kidney_8.comparisons()
    assert every is not None
    arm, rng = kidney_8.arms[0], np.random.default_rng(5)
    people = PlantedRespondent(kidney_8, {"age=old": -1.2, "drinking=frequent": -1.0}, indecision=-0.3)
    answers = []
    for person in range(20):
        for comparison in (every[i] for i in rng.permutation(len(every))[:14]):
            gap = people.log_strength(comparison.first) - people.log_strength(comparison.second)
            odds = np.exp([gap / 2, -gap / 2, -0.3])
            choice = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)[rng.choice(3, p=odds / odds.sum())]
            answers.append(
                Answer(
                    respondent=f"p{person}",
                    kind=RespondentKind.HUMAN,
                    arm=arm.name,
                    position=None,
                    left=comparison.first,
                    right=comparison.second,
                    choice=choice,
                    indecision_offered=arm.indecision_offered,
                    design_hash=design_hash(kidney_8),
                )
            )
    files = {}
    for label, weight, indecision in (("before", -0.2, -4.0), ("after", -1.1, -0.5)):
        respondent = PlantedRespondent(kidney_8, {"age=old": weight}, indecision=indecision, seed=1)
        requests = plan_requests(
            kidney_8, every, arm=arm, model=f"local/{label}", settings=Settings(), repeats=2
        )
        files[label] = ReplyFile(
            model=f"local/{label}",
            slug=kidney_8.slug,
            title=kidney_8.title,
            design_hash=design_hash(kidney_8),
            attributes=kidney_8.attributes,
            planned=len(requests),
            replies=tuple(RecordedReply(request=r, reply=_said(respondent.reply(r))) for r in requests),
        )
    report = compare_models(
        AnswerSet(attributes=kidney_8.attributes, answers=answers, source="made for a test"),
        files,
        title="Before and after tuning",
        people_source="",
        resampling=Resampling(n_draws=20, seed=1),
        n_splits=10,
        exchange=Consequential(),
        manifest={},
    )
    found: dict[str, Any] = json.loads(json.dumps(report.record()))
    return found


def _said(answer: Coroutine[Any, Any, Reply]) -> Reply:
    """Return what a script says at once: it awaits nothing."""
    try:
        answer.send(None)
    except StopIteration as done:
        reply: Reply = done.value
        return reply
    raise AssertionError("scripts answer without waiting")


@pytest.fixture
def record() -> dict[str, Any]:
    """Return a record with every part but before and after, to be changed at will."""
    return make_record(None)


@pytest.fixture(scope="module")
def both_records(before_after: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fullest and the poorest record, for pages that are made once."""
    full = make_record(before_after)
    return {"full": full, "poorest": make_poorest(full)}
