"""Training sets made on the spot from planned requests, answered by a rule."""

from __future__ import annotations

import pytest

from llm_compare.prompting.variant import Variant
from llm_compare.tuning.training_sets.example import Example, Target, said
from llm_compare.tuning.training_sets.labels import LabelKind, Sides
from llm_compare.tuning.training_sets.training_file import TrainingSet
from survey.answers import Choice


def counts_of(request) -> dict[Choice, int]:
    """Twelve people: most take the younger patient, some toss a coin where the ages are close."""
    left, right = request.left.as_dict()["age"], request.right.as_dict()["age"]
    close = abs(left - right) < 8
    coins = 5 if close else 1
    young, old = (6, 1) if close else (10, 1)
    return {
        Choice.LEFT: young if left < right else old,
        Choice.RIGHT: old if left < right else young,
        Choice.INDECISION: coins,
    }


@pytest.fixture(scope="session")
def training_set_of(requests_of, study):
    """Return a function that makes a training set of so many comparisons, shown from both sides."""

    def make(count=8, *, labels=LabelKind.SHARES, draw=1, name=None, seed=0, counts=counts_of):
        variant = Variant()
        examples = []
        for request in requests_of(count, seed=seed):
            found = counts(request)
            total = sum(found.values())
            hard = [(c, {c: 1.0}, 1) for c, n in found.items() for _ in range(n)]
            soft = [(None, {c: n / total for c, n in found.items()}, total)]
            most = max(found, key=found.__getitem__)
            majority = [(most, {most: 1.0}, total)]
            kinds = {LabelKind.ANSWERS: hard, LabelKind.SHARES: soft, LabelKind.MAJORITY: majority}
            for given, shares, n in kinds[labels]:
                examples.append(
                    Example(
                        messages=request.messages,
                        targets=tuple(
                            Target(
                                choice=choice,
                                text=said(request.labels, choice, variant.answer_format),
                                share=shares.get(choice, 0.0),
                                n=found[choice] if labels is not LabelKind.ANSWERS else int(choice is given),
                            )
                            for _, _, choice in request.labels.offered()
                        ),
                        left=request.left,
                        right=request.right,
                        side_order=request.side_order,
                    )
                )
                assert examples[-1].n == n
        return TrainingSet(
            name=name or f"all-{count:04}-{draw}",
            group="",
            personas=False,
            size=count,
            draw=draw,
            labels=labels,
            sides=Sides.BOTH,
            design_hash="0" * 64,
            arm=study.arms[0].name,
            variant=variant,
            examples=tuple(examples),
        )

    return make


@pytest.fixture(scope="session")
def base(random_base):
    """The tiny random model, loaded."""
    from llm_compare.tuning.models.local_model import load_model

    return load_model(random_base)


@pytest.fixture(scope="session")
def able_base(random_base, tmp_path_factory):
    """Random, too, but with room for logits that tell answers apart."""
    import torch

    from llm_compare.tuning.models.local_model import load_model
    from llm_compare.tuning.models.tiny_model import TinySettings, make_network, save_model

    tokenizer = load_model(random_base).tokenizer
    network = make_network(tokenizer, TinySettings(hidden=48, layers=1, heads=2))
    with torch.no_grad():
        network.get_input_embeddings().weight *= 2
    folder = tmp_path_factory.mktemp("models") / "able"
    save_model(network, tokenizer, folder)
    return folder
