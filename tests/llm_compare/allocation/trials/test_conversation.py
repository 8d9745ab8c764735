"""Trials are carried through their turns; nothing is asked twice, nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from llm_compare.allocation.trials.answer import Outcome
from llm_compare.allocation.trials.conversation import (
    TOKENS_OF_A_TURN,
    Addressee,
    answered,
    preview,
    put,
)
from llm_compare.allocation.trials.plan import Design, planned_trials
from llm_compare.allocation.trials.prompts import user_turns
from llm_compare.allocation.trials.reading import Repair
from llm_compare.allocation.trials.scripted import ScriptedChooser, said
from llm_compare.allocation.trials.trial import Task, Turns, Way
from llm_compare.asking.attempts import FailedCall
from llm_compare.asking.client import ModelClient
from llm_compare.asking.limiter import Limits
from llm_compare.asking.run import Ending
from llm_compare.asking.spending import Budget, Price, estimate, tokens_sent
from llm_compare.prompting.call import Settings
from llm_compare.replies.reply import Failure, Reply

MODEL = Addressee(model="openai/anything", settings=Settings(max_tokens=64), set_sha256="a" * 64)
SCRIPT = Addressee(
    model="scripted/first-row", settings=Settings(max_tokens=None, seed=0), set_sha256="a" * 64
)
LOST = FailedCall(failure=Failure(kind="BadRequestError", status=400, message="no"))


class Model:
    """Answers turn by turn, counts what it is asked, and does ``at`` upon a call that it says something of."""

    name = "a test"

    def __init__(self, at=lambda call: None, nod="I see.", cost=None):
        self.asked = []
        self.at = at
        self.nod = nod
        self.cost = cost

    async def reply(self, call):
        self.asked.append(call)
        await asyncio.sleep(0)
        found = self.at(call)
        if found is not None:
            return found
        content = said(call.trial, call.trial.row_order) if call.is_last else f"{self.nod} {call.key[:8]}"
        return Reply(content=content, finish_reason="stop", cost_usd=self.cost)

    async def close(self):
        pass


@pytest.fixture
def trials(problem_set):
    return planned_trials(problem_set, Task.RANK_ALL, Design(shuffles=2, repeats=2))


def run(sessions, trials, model, whom=MODEL, **options):
    return put(sessions, trials, whom, lambda: model, rng=np.random.default_rng(0), **options)


def test_each_turn_holds_what_was_said_before_it(sessions, trials):
    model = Model()
    found = run(sessions, trials, model)
    assert (found.complete, found.planned, found.ending) == (True, len(trials), Ending.COMPLETE)
    for one, trial in zip(found.trials, trials, strict=True):
        assert one.trial == trial
        texts = [m.content for m in one.calls[-1].messages]
        assert texts[::2] == list(user_turns(trial))
        assert texts[1::2] == [r.content for r in one.replies[:-1]]
        assert [(c.turn, c.n_turns) for c in one.calls] == [(0, 3), (1, 3), (2, 3)]
    for read in answered(found):
        assert read.read.outcome is Outcome.ANSWER
        assert read.read.order == read.trial.row_order
        assert len(read.earlier) == 2
        assert read.request_key in {c.key for c in model.asked}


def test_opening_turns_of_a_repeat_are_one_call(sessions, trials):
    model = Model()
    found = run(sessions, trials, model)
    # 3 problems x 2 row orders x 2 repeats; the opening knows nothing of them but the repeat.
    assert Counter(c.turn for c in model.asked) == {0: 2, 1: 12, 2: 12}
    assert {c.repeat for c in model.asked} == {1, 2}
    assert (found.made, found.already_stored) == (26, 0)


def test_the_same_again_makes_no_call(sessions, trials):
    first = run(sessions, trials, Model())
    again = Model()
    second = run(sessions, trials, again)
    assert again.asked == []
    assert answered(second) == answered(first)
    assert (second.made, second.already_stored, second.complete) == (0, 26, True)


def test_a_larger_design_asks_only_what_is_new(sessions, problem_set, trials):
    run(sessions, trials, Model())
    more = planned_trials(problem_set, Task.RANK_ALL, Design(shuffles=3, repeats=2))
    model = Model()
    assert run(sessions, more, model).complete
    assert Counter(c.turn for c in model.asked) == {1: 6, 2: 6}


@pytest.mark.parametrize("k", [1, 2, 9, 20, 25])
def test_a_run_stopped_after_k_calls_goes_on_with_exactly_the_rest(sessions, trials, k):
    before = Model()
    stopped = run(sessions, trials, before, max_calls=k)
    assert (len(before.asked), stopped.made) == (k, k)
    assert (stopped.ending, stopped.complete) == (Ending.CALLS, False)
    assert len(stopped.trials) == sum(c.is_last for c in before.asked)
    after = Model()
    finished = run(sessions, trials, after)
    assert finished.complete
    identities = [c.identity for c in before.asked + after.asked]
    assert len(identities) == len(set(identities)) == 26


def test_a_run_that_may_make_no_call_still_shows_what_is_stored(sessions, problem_set, trials):
    run(sessions, trials, Model())
    more = planned_trials(problem_set, Task.RANK_ALL, Design(shuffles=2, repeats=3))
    stopped = run(sessions, more, Model(), max_calls=1)
    assert (stopped.ending, stopped.planned) == (Ending.CALLS, 18)
    assert {t.trial for t in stopped.trials} == set(trials)


def test_an_interrupt_between_turns_keeps_what_arrived_and_begins_no_turn(sessions, trials):
    def interrupt(call):
        if call.turn == 1:
            signal.raise_signal(signal.SIGINT)

    model = Model(at=interrupt)
    stopped = run(sessions, trials, model, concurrency=1)
    assert (stopped.ending, stopped.trials) == (Ending.INTERRUPTED, ())
    assert Counter(c.turn for c in model.asked) == {0: 2, 1: 1}
    rest = Model()
    assert run(sessions, trials, rest).complete
    assert len(rest.asked) == 23


def test_a_budget_spans_all_turns(sessions, trials):
    price = Price(
        usd_per_million_in=0.0, usd_per_million_out=1e6 / 64, source="test"
    )  # 1 USD at worst a call.
    budget = Budget(10.5, price)
    model = Model(cost=1.0)
    stopped = run(sessions, trials, model, budget=budget)
    assert (stopped.ending, len(model.asked)) == (Ending.BUDGET, 10)
    assert budget.spent_usd == pytest.approx(10)
    assert {c.turn for c in model.asked} == {0, 1}


def test_a_limit_of_calls_per_minute_holds_over_all_turns_and_over_runs_that_share_their_paces(
    sessions, trials
):
    now, began, paces = [0.0], [], {}

    async def sleep(seconds):
        now[0] += seconds
        await asyncio.sleep(0)

    def carry_out(some):
        run(
            sessions, some, Model(at=lambda call: began.append(now[0])),
            concurrency=1, limits=Limits(requests_per_minute=6), paces=paces,
            sleep=sleep, clock=lambda: now[0],
        )  # fmt: skip

    carry_out(trials[:4])
    carry_out(trials[4:])
    assert len(began) > 8
    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx([10.0] * (len(began) - 1))


def test_a_failed_turn_ends_its_trials_as_errors_and_is_asked_again_later(sessions, trials):
    lost = next(t for t in trials if t.problem.name == "p02" and t.repeat == 0)
    found = run(
        sessions, trials, Model(at=lambda call: LOST if call.turn == 1 and call.trial == lost else None)
    )
    outcomes = {a.trial: a.read.outcome for a in answered(found)}
    assert outcomes.pop(lost) is Outcome.ERROR
    assert set(outcomes.values()) == {Outcome.ANSWER}
    assert (found.complete, found.failed, found.ending) == (False, 1, Ending.COMPLETE)
    again = Model()
    assert run(sessions, trials, again).complete
    assert [(c.trial, c.turn) for c in again.asked] == [(lost, 1), (lost, 2)]


def test_a_failure_that_concerns_all_ends_the_run(sessions, trials):
    denied = FailedCall(failure=Failure(kind="AuthenticationError", status=401, message="no"))
    found = run(sessions, trials, Model(at=lambda call: denied if call.turn == 1 else None), concurrency=1)
    assert (found.ending, found.stopped_by) == (Ending.FAILING, denied.failure)
    assert len(found.trials) == 1


@pytest.mark.parametrize(
    ("earlier", "outcome"),
    [
        (Reply(content=None, refusal="I cannot help with that.", finish_reason="stop"), Outcome.REFUSAL),
        (Reply(content="", finish_reason="length"), Outcome.TRUNCATED),
    ],
)
def test_an_earlier_reply_without_a_text_ends_its_trials(sessions, trials, earlier, outcome):
    model = Model(at=lambda call: earlier if call.turn == 0 and call.repeat == 1 else None)
    found = run(sessions, trials, model)
    assert found.complete
    for one in answered(found):
        assert one.read.outcome is (outcome if one.trial.repeat == 0 else Outcome.ANSWER)
        assert one.reply.finish_reason == (earlier.finish_reason if one.trial.repeat == 0 else "stop")
    assert Counter(c.turn for c in model.asked) == {0: 2, 1: 6, 2: 6}


def test_a_refusal_in_words_is_answered_with_the_next_turn(sessions, trials):
    found = run(sessions, trials, Model(nod="I would rather not decide this."))
    assert {a.read.outcome for a in answered(found)} == {Outcome.ANSWER}


def test_repairs_are_made_only_where_they_are_named(sessions, trials):
    def forgetful(call):
        return Reply(content=said(call.trial, call.trial.row_order[:-1])) if call.is_last else None

    found = run(sessions, trials, Model(at=forgetful))
    assert {a.read.outcome for a in answered(found)} == {Outcome.INCOMPLETE}
    for one in answered(found, Repair.LAST_PLACE):
        assert (one.read.outcome, one.read.order) == (Outcome.ANSWER, one.trial.row_order)
        assert one.read.repairs


@pytest.mark.parametrize("turns", [Turns.SINGLE, Turns.ACKNOWLEDGED])
def test_other_ways_take_one_call_a_trial(sessions, problem_set, turns):
    trials = planned_trials(problem_set, Task.CHOOSE_ONE, Design(ways=(Way(turns=turns),)))
    model = Model()
    assert run(sessions, trials, model).complete
    assert len(model.asked) == len(trials) == len({c.identity for c in model.asked})
    assert all(c.is_last for c in model.asked)


def test_the_preview_counts_the_calls_that_are_then_made(sessions, trials):
    for k, expected in ((None, 26), (9, 17)):
        model = Model()
        before = preview(sessions, trials, MODEL)
        if k is None:
            assert (before.calls, before.stored, len(before.missing)) == (26, 0, expected)
            run(sessions, trials, model, max_calls=9)
        else:
            assert (before.calls, before.stored, len(before.missing)) == (26, 9, expected)
            run(sessions, trials, model)
            assert len(model.asked) == expected
    assert preview(sessions, trials, MODEL).missing == ()


def test_replies_that_are_not_there_yet_are_counted_with_thirty_tokens(sessions, trials):
    found = preview(sessions, trials, MODEL)
    last = next(c for c in found.missing if c.is_last)
    own = sum(-(-len(text) // 4) for text in user_turns(last.trial))
    assert tokens_sent(last) == own + 2 * TOKENS_OF_A_TURN
    assert TOKENS_OF_A_TURN == 30
    assert estimate(found.missing, None).tokens_out_high == 26 * 64


def test_an_unchanged_trial_is_paid_for_once_beside_its_counterfactuals(sessions, problem_set, trials):
    run(sessions, trials, Model())
    changed = planned_trials(
        problem_set, Task.RANK_ALL, Design(shuffles=2, repeats=2, counterfactuals=("gender",))
    )
    model = Model()
    assert run(sessions, changed, model).complete
    assert {c.trial.change is None for c in model.asked} == {False}


def test_a_script_is_put_to_in_conversations_too(sessions, trials):
    found = run(sessions, trials, ScriptedChooser(SCRIPT.model, Task.RANK_ALL), SCRIPT)
    assert [a.read.order for a in answered(found)] == [t.row_order for t in trials]
    assert {a.earlier for a in answered(found)} == {("Understood.", "Understood.")}
    # Another problem set is another question to a script, whatever the words.
    other = replace(SCRIPT, set_sha256="b" * 64)
    assert run(sessions, trials, ScriptedChooser(SCRIPT.model, Task.RANK_ALL), other).already_stored == 0


def test_conversations_go_over_real_http_as_they_are_put(sessions, provider, serve, trials, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    provider.script = [
        serve(content="Noted."),
        serve(content="Noted, too."),
        serve(content="3, 1\n2, 2\n1, 3\n0, 4"),
    ]
    whom = replace(MODEL, api_base=provider.url)
    found = put(sessions, trials[:1], whom, ModelClient, rng=np.random.default_rng(0))
    assert found.complete
    assert [len(body["messages"]) for body in provider.received] == [1, 3, 5]
    sent = provider.received[-1]["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert [m["content"] for m in sent[1::2]] == ["Noted.", "Noted, too."]
    assert [m["content"] for m in sent[::2]] == list(user_turns(trials[0]))
    (one,) = answered(found)
    assert one.read.order == (3, 2, 1, 0)
    assert (one.reply.finish_reason, one.reply.returned_model) == ("stop", "served-2026-11")
    put(sessions, trials[:1], whom, ModelClient, rng=np.random.default_rng(0))
    assert len(provider.received) == 3
