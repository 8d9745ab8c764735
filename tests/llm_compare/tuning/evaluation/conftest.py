"""A prepared folder of made-up people, a random base that reads its prompts, and adapters trained for two steps."""

from __future__ import annotations

import numpy as np
import pytest

from llm_compare.tuning.training_sets.held_out import HeldOut
from llm_compare.tuning.training_sets.preparation import PrepareSettings, prepare
from llm_compare.tuning.training_sets.prepared_writing import write_prepared
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import design_hash
from survey.design_file import EXAMPLES

CHOICES = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)


@pytest.fixture(scope="session")
def answers(study):
    """Twelve made-up people, of whom two share each comparison."""
    rng = np.random.default_rng(11)
    found = []
    for number, (left, right) in enumerate(study.draw_pairs(90, rng)):
        for shift in (0, 5):
            likely = 0.5 + 0.1 * (right["drinks"] - left["drinks"])
            chance = np.array([max(0.8 * likely, 0), max(0.8 * (1 - likely), 0), 0.2])
            found.append(
                Answer(
                    respondent=f"person-{(number + shift) % 12}",
                    kind=RespondentKind.HUMAN,
                    arm=study.arms[0].name,
                    position=None,
                    left=left,
                    right=right,
                    choice=CHOICES[rng.choice(3, p=chance / chance.sum())],
                    indecision_offered=True,
                    design_hash=design_hash(study),
                    seconds_missing="made up",
                )
            )
    return AnswerSet(attributes=study.attributes, answers=tuple(found), source="made-up people")


@pytest.fixture(scope="session")
def prepared(study, answers, tmp_path_factory):
    """Sets of 16 and 48 answers, two draws each."""
    made = prepare(
        study,
        answers,
        PrepareSettings(
            sizes=(16, 48), draws=2, held_out=HeldOut(comparisons=0.3, participants=0.0, levels=())
        ),
    )
    return write_prepared(
        tmp_path_factory.mktemp("prepared") / "prepared",
        made,
        design_file=EXAMPLES / "kidney-numeric.toml",
        manifest={},
    )


@pytest.fixture(scope="session")
def taught(tune_extra, requests_of, tmp_path_factory):
    """Return a function that makes a tiny model, knowing two groups' personas, that gives one of some replies."""
    import torch

    from llm_compare.tuning.models.local_model import Loading, load_model
    from llm_compare.tuning.models.tiny_model import TinySettings, make_network, make_tokenizer, save_model

    lines = {f"- Age: {age} years old" for age in range(25, 71)}
    lines |= {f"Answer as the following person would: kind: {kind}" for kind in ("one", "two")}
    lines |= {line for r in requests_of(60) for m in r.messages for line in m.content.split("\n")}
    tokenizer = make_tokenizer([*sorted(lines), "A", "B", "C"])

    def make(replies):
        folder = tmp_path_factory.mktemp("models") / "tiny"
        save_model(make_network(tokenizer, TinySettings(hidden=16, layers=1, heads=2)), tokenizer, folder)
        model = load_model(folder, loading=Loading(device="cpu"))
        rng = np.random.default_rng(0)
        ids = torch.tensor(
            [
                [*model.prompt_ids(r.messages), *model.answer_ids(r.messages, str(rng.choice(replies)))]
                for r in requests_of(24)
            ]
        )
        model.network.requires_grad_(requires_grad=True)
        optimizer = torch.optim.Adam(model.network.parameters(), lr=0.02)
        for _ in range(30):
            logits = model.network(input_ids=ids).logits[:, -3:-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, -2:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        save_model(model.network, model.tokenizer, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def answering_base(taught):
    """Folder of a model that answers A, B or C, any of them."""
    return taught([*"ABC"])


@pytest.fixture(scope="session")
def base(answering_base):
    """A tiny model that answers."""
    from llm_compare.tuning.models.local_model import Loading, load_model

    return load_model(answering_base, loading=Loading(device="cpu"))


@pytest.fixture(scope="session")
def adapters(answering_base, prepared, tmp_path_factory):
    """Folder of adapters of all sets but one."""
    from llm_compare.tuning.models.local_model import Loading
    from llm_compare.tuning.training.settings import TrainSettings
    from llm_compare.tuning.training.train import train

    folder = tmp_path_factory.mktemp("adapters") / "adapters"
    settings = TrainSettings(rank=2, steps=2, batch=8, learning_rate=0.05)
    for entry in prepared.sets:
        if entry.name != "all-0016-2":
            train(
                prepared.training_set(entry),
                answering_base,
                settings,
                folder / entry.name,
                loading=Loading(device="cpu"),
            )
    return folder
