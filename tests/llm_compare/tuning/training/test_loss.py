from __future__ import annotations

import dataclasses
import math

import pytest

from llm_compare.errors import CannotTune, NoAnswerToken
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models.local_model import load_model
from llm_compare.tuning.training.adapter import adapted_for_training, trained
from llm_compare.tuning.training.encoded import encode, merged
from llm_compare.tuning.training.loss import batch_loss, row_nats
from llm_compare.tuning.training.settings import TrainSettings
from llm_compare.tuning.training_sets.labels import LabelKind

PAD = 0


def plainly(model, example):
    """Nats of an example by its definition: one token after the other, nothing batched, in double precision."""
    import torch

    total = 0.0
    for target in example.targets:
        said = model.answer_ids(example.messages, target.text)
        ids = model.prompt_ids(example.messages)
        for token in said:
            with torch.no_grad():
                logits = model.network(input_ids=torch.tensor([ids])).logits[0, -1].double()
            total -= target.share * float(logits[token] - torch.logsumexp(logits, dim=0))
            ids.append(token)
    return total


def loss_of(model, encoded):
    import torch

    with torch.no_grad():
        return float(batch_loss(model.network, merged(encoded), n_examples=len(encoded), pad=PAD))


def test_the_loss_is_that_of_a_plain_computation_token_by_token(base, training_set_of):
    examples = training_set_of(3).examples

    for example in examples:
        encoded = encode(base, [example], labels=LabelKind.SHARES)
        assert loss_of(base, encoded) == pytest.approx(plainly(base, example), abs=1e-4)

    together = encode(base, examples, labels=LabelKind.SHARES)
    assert loss_of(base, together) == pytest.approx(
        sum(plainly(base, e) for e in examples) / len(examples), abs=1e-4
    )


def test_shares_and_the_answers_behind_them_have_the_same_loss(base, training_set_of):
    def uneven(request):
        from survey.answers import Choice

        n = len(request.left.as_dict()) + request.left.as_dict()["age"] % 3
        return {Choice.LEFT: n, Choice.RIGHT: 2, Choice.INDECISION: request.right.as_dict()["age"] % 2}

    shares = training_set_of(5, labels=LabelKind.SHARES, counts=uneven)
    answers = training_set_of(5, labels=LabelKind.ANSWERS, counts=uneven)

    assert len({e.n for e in shares.examples}) > 1
    assert loss_of(base, encode(base, shares.examples, labels=LabelKind.SHARES)) == pytest.approx(
        loss_of(base, encode(base, answers.examples, labels=LabelKind.ANSWERS)), abs=1e-5
    )


def test_a_comparison_that_more_people_answered_weighs_more_under_shares_only(base, training_set_of):
    one, other = training_set_of(2).examples[::2]
    many = dataclasses.replace(one, targets=tuple(dataclasses.replace(t, n=3 * t.n) for t in one.targets))

    weights = {
        labels: [sum(r.weight for r in e.rows) for e in encode(base, [many, other], labels=labels)]
        for labels in (LabelKind.SHARES, LabelKind.MAJORITY)
    }

    assert weights[LabelKind.SHARES] == pytest.approx([1.5, 0.5])
    assert weights[LabelKind.MAJORITY] == pytest.approx([1.0, 1.0])


def test_equal_answers_to_equal_prompts_are_computed_once_and_count_as_often_as_before(base, training_set_of):
    examples = encode(base, training_set_of(2, labels=LabelKind.ANSWERS).examples, labels=LabelKind.ANSWERS)
    rows = merged(examples)

    assert len(examples) == 2 * 2 * 12
    assert len(rows) == 2 * 2 * 3
    assert sum(r.weight for r in rows) == len(examples)


def test_prompts_of_other_lengths_beside_a_row_do_not_change_it(base, training_set_of):
    import torch

    one, other = training_set_of(2).examples[::2]
    shorter = dataclasses.replace(
        other, messages=(Message(role=Speaker.USER, content=other.messages[1].content),)
    )
    rows = merged(encode(base, [one, shorter], labels=LabelKind.SHARES))
    assert len({len(r.prompt) for r in rows}) == 2

    with torch.no_grad():
        together = row_nats(base.network, rows, pad=PAD)
        alone = torch.cat([row_nats(base.network, [row], pad=PAD) for row in rows])

    assert torch.allclose(together, alone, atol=1e-5)


def test_the_slope_is_that_of_small_changes_and_reaches_the_adapter_only(base, training_set_of):
    import torch

    rows = merged(encode(base, training_set_of(2).examples, labels=LabelKind.SHARES))
    with (
        torch.random.fork_rng(devices=[]),
        adapted_for_training(base.network, TrainSettings(rank=2), seed=1) as tuned,
    ):
        name, weight = next((n, p) for n, p in trained(tuned).items() if "lora_B" in n)
        loss = batch_loss(tuned, rows, n_examples=4, pad=PAD)
        loss.backward()
        assert all((p.grad is not None) == p.requires_grad for p in tuned.parameters()), name
        place = int(weight.grad.abs().argmax())
        slope = float(weight.grad.flatten()[place])
        found = []
        for change in (-0.005, 0.005):
            with torch.no_grad():
                weight.flatten()[place] += change
                found.append(float(batch_loss(tuned, rows, n_examples=4, pad=PAD)))
                weight.flatten()[place] -= change

    assert slope == pytest.approx((found[1] - found[0]) / 0.01, rel=0.02)


def test_a_model_that_takes_neither_positions_nor_a_cut_has_the_same_loss(base, training_set_of):
    import torch

    class Bare(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, input_ids, attention_mask):
            places = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
            return self.network(input_ids=input_ids, attention_mask=attention_mask, position_ids=places)

    rows = merged(encode(base, training_set_of(2).examples, labels=LabelKind.SHARES))
    with torch.no_grad():
        assert torch.allclose(
            row_nats(Bare(base.network), rows, pad=PAD), row_nats(base.network, rows, pad=PAD), atol=1e-5
        )


def test_a_model_to_which_all_tokens_are_equal_is_as_surprised_as_chance(random_base, training_set_of):
    import torch

    model = load_model(random_base)
    with torch.no_grad():
        model.network.get_input_embeddings().weight.zero_()
    encoded = encode(model, training_set_of(4).examples, labels=LabelKind.SHARES)

    # Each answer is its mark and the end of the turn.
    assert loss_of(model, encoded) == pytest.approx(2 * math.log(len(model.tokenizer)), abs=1e-5)


def test_an_answer_that_the_model_cannot_write_is_refused(base, training_set_of):
    example = training_set_of(1).examples[0]
    first, *others = example.targets
    strange = dataclasses.replace(example, targets=(dataclasses.replace(first, text="Qualm"), *others))

    with pytest.raises(NoAnswerToken, match="Qualm"):
        encode(base, [strange], labels=LabelKind.SHARES)


def test_nothing_to_train_on_is_said(base):
    with pytest.raises(CannotTune, match="no example"):
        encode(base, [], labels=LabelKind.SHARES)
