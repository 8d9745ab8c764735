"""Questions put to a model here: replies as ``compare ask`` stores them, resumable, the same each time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND
from llm_compare.errors import CannotTune
from llm_compare.prompting.plan import comparisons_to_ask
from llm_compare.prompting.request import SideOrder
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.replies_file import read_replies
from llm_compare.tuning.evaluation.answering import Asker, Stopped, answer_requests, model_string
from llm_compare.tuning.evaluation.questions import Questions
from llm_compare.tuning.evaluation.share_table import ShareTable, offered_mass


@pytest.fixture
def comparisons(study):
    return comparisons_to_ask(study, count=6, rng=np.random.default_rng(4))


@pytest.fixture
def questions(study):
    return Questions.of(study, study.arms[0], Variant(), Asker(batch=4))


def test_the_same_seed_gives_the_same_replies_and_another_seed_others(base, questions, comparisons):
    requests = [
        r for seed in range(3) for r in questions._planned(base, comparisons, Variant(), repeats=5)
    ]  # fmt: skip
    first, again, other = (answer_requests(base, requests, seed=s) for s in (1, 1, 2))
    assert first == again
    assert [r.reply.content for r in first] != [r.reply.content for r in other]


def test_every_question_and_every_repeat_has_a_draw_of_its_own(base, questions, comparisons):
    class Told:
        """Remembers the seeds that a model is asked with."""

        name, fingerprint, seeds = base.name, base.fingerprint, []

        def continued(self, prompted):
            self.seeds += [p.seed for p in prompted]
            return base.continued(prompted)

    requests = questions._planned(base, comparisons, Variant(), repeats=3)
    answer_requests(Told(), requests)
    assert len(set(Told.seeds)) == len(requests) == 2 * 6 * 3


def test_a_reply_does_not_depend_on_what_is_asked_beside_it(base, questions, comparisons):
    requests = questions.requests(base, comparisons)
    together = answer_requests(base, requests, batch=64)
    alone = answer_requests(base, requests[3:4], batch=1)[0]
    assert alone.reply.content == together[3].reply.content
    for token, logprob in alone.reply.first_token.items():
        assert together[3].reply.first_token[token] == pytest.approx(logprob, abs=1e-4)


def test_shares_are_the_first_tokens_probabilities_brought_to_the_patients(base, questions, comparisons):
    replies = answer_requests(base, questions.requests(base, comparisons))
    table = ShareTable.of_replies(replies)
    for recorded in replies:
        told = {t.strip(): math.exp(p) for t, p in recorded.reply.first_token.items()}
        mass = [told.get(mark, 0.0) for mark in "ABC"]
        assert offered_mass(recorded) == pytest.approx(sum(mass))
        row = table.comparisons.index(recorded.request.comparison)
        side = 0 if recorded.request.side_order is SideOrder.FIRST_LEFT else 1
        columns = [FIRST, SECOND, INDECISION] if side == 0 else [SECOND, FIRST, INDECISION]
        if not np.isnan(table.by_side[row, side]).any() and sum(mass) >= 0.5:
            np.testing.assert_allclose(table.by_side[row, side][columns], np.array(mass) / sum(mass))
        assert table.elsewhere[row, side] == pytest.approx(1 - sum(mass), abs=1e-6)


def test_a_stopped_run_goes_on_and_ends_with_the_same_file(
    base, questions, comparisons, study, tmp_path, monkeypatch
):
    monkeypatch.setattr("llm_compare.tuning.evaluation.answering._BATCHES_BETWEEN_WRITES", 2)
    requests = questions.requests(base, comparisons)
    whole = Asker(batch=4, folder=tmp_path / "whole")
    whole.ask(base, "m", study, requests)
    calls = iter([False, False, True])
    halted = Asker(batch=4, folder=tmp_path / "parts", stop=lambda: next(calls))
    with pytest.raises(Stopped, match="goes on from there"):
        halted.ask(base, "m", study, requests)
    part = read_replies(tmp_path / "parts" / "m.jsonl")
    assert (len(part.replies), part.complete) == (8, False)
    asked = []
    going_on = replace(halted, stop=lambda: False, progress=asked.append)
    going_on.ask(base, "m", study, requests)
    assert asked == [f"m: 12 of {len(requests)} prompts"]
    assert (tmp_path / "parts" / "m.jsonl").read_bytes() == (tmp_path / "whole" / "m.jsonl").read_bytes()


def test_kept_replies_are_read_back_and_those_of_another_model_are_not(
    base, questions, comparisons, study, tmp_path
):
    asked = []
    asker = Asker(folder=tmp_path, progress=asked.append)
    requests = questions.requests(base, comparisons)
    first = asker.ask(base, "m", study, requests)
    asked.clear()
    assert asker.ask(base, "m", study, requests) == first
    assert asked == []
    renamed = replace(base, label="other")
    others = asker.ask(renamed, "m", study, questions.requests(renamed, comparisons))
    assert {r.request.model for r in others} == {model_string(renamed)} != {model_string(base)}


def test_drawn_answers_of_another_seed_are_not_taken_from_those_kept(base, questions, comparisons, tmp_path):
    def drawn(seed, folder):
        asking = replace(questions, asker=Asker(seed=seed, folder=folder))
        replies = asking.answered_by_letter(base, "before.letter", comparisons, repeats=4)
        return [r.reply.content for r in replies]

    first = drawn(0, tmp_path)
    assert drawn(1, tmp_path) == drawn(1, None)
    assert drawn(0, tmp_path) == first == drawn(0, None)
    assert drawn(1, None) != first


def test_answers_that_do_not_begin_with_a_mark_cannot_be_measured(study):
    with pytest.raises(CannotTune, match="--answer-format letter"):
        Questions.of(study, study.arms[0], Variant(answer_format=AnswerFormat.JSON), Asker())


def test_prompts_are_those_of_compare_ask_word_for_word(base, questions, comparisons, requests_of):
    mine = questions.requests(
        base, comparisons_to_ask(questions.design, count=6, rng=np.random.default_rng(0))
    )
    theirs = requests_of(6)
    assert [r.messages for r in mine] == [r.messages for r in theirs]
