"""A tiny model is made on the spot: it reads the very prompts, learns its own rule, and is the same every time."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.errors import CannotTune
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
from llm_compare.prompting.variant import AnswerFormat, Framing, IndecisionOffer, Marks, Variant
from llm_compare.tuning.models.base_folder import check_folder, save_pretrained
from llm_compare.tuning.models.forms import form_of, with_attribute
from llm_compare.tuning.models.lessons import usual_ways
from llm_compare.tuning.models.personas import DISTRACTOR
from llm_compare.tuning.models.pretrain_settings import PretrainSettings
from llm_compare.tuning.models.pretraining import pretrain, rate_at
from llm_compare.tuning.models.tiny_model import SIZES, Size, TinySettings
from survey.answers import Choice
from survey.design_file import EXAMPLES, read_design

FEW = PretrainSettings(steps=2, batch=8, personas=4, variants=4)
SMALL = TinySettings(hidden=16, layers=1, heads=2)


@pytest.fixture(scope="module")
def designs():
    return [read_design(EXAMPLES / f"{name}.toml") for name in ("kidney-numeric", "kidney-study1")]


@pytest.fixture(scope="module")
def made(tune_extra, designs):
    """A model that has learned next to nothing, but can read."""
    return pretrain(designs, size=SMALL, settings=FEW)


@pytest.fixture(scope="module")
def folder(made, designs, tmp_path_factory):
    out = tmp_path_factory.mktemp("bases") / "tiny"
    save_pretrained(made, out, designs=designs, size=SMALL, settings=FEW, threads=1)
    return out


def asked_of(design, **given):
    comparisons = comparisons_to_ask(design, count=4, rng=np.random.default_rng(5))
    return plan_requests(
        design, comparisons, arm=design.arms[0], model="openai/local", settings=Settings(), **given
    )


def test_it_learns_its_own_rule_in_a_few_steps(tune_extra, study):
    settings = PretrainSettings(
        steps=90, batch=48, personas=8, variants=2, own_share=0.8, usual_share=1.0, forms_at_once=2
    )
    made = pretrain([study], size=TinySettings(), settings=settings)
    assert np.mean(made.losses[-10:]) < 0.75 * np.mean(made.losses[5:15])
    # 400 comparisons: a coin reaches 0.6 once in 30,000 tries.
    assert made.own_agreement > 0.6
    assert made.own_indecision < 0.1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made, folder, designs, tmp_path):
    again = pretrain(designs, size=SMALL, settings=FEW)
    save_pretrained(again, tmp_path / "again", designs=designs, size=SMALL, settings=FEW, threads=1)
    files = sorted(path.name for path in folder.iterdir())
    assert {"model.safetensors", "tokenizer.json", "config.json", "manifest.json"} <= set(files)
    for name in files:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name
    other = pretrain(designs, size=SMALL, settings=replace(FEW, seed=1))
    assert other.losses != made.losses


def test_filled_forms_are_the_prompts_of_compare_ask_token_for_token(made, folder, designs):
    from llm_compare.tuning.models.local_model import load_model

    model = load_model(folder)
    for design in [*designs, with_attribute(designs[0], DISTRACTOR)]:
        form = form_of(usual_ways(design)[0], model.tokenizer, model.template)
        for request in asked_of(design):
            sides = [
                np.array([[a.values.index(side[a.name]) for a in design.attributes]])
                for side in (request.left, request.right)
            ]
            filled = form.filled(*sides, np.array([0]))
            assert filled[0].tolist() == model.prompt_ids(request.messages)


@pytest.mark.parametrize(
    "variant",
    [
        Variant(),
        Variant(answer_format=AnswerFormat.FIRST_TOKEN),
        Variant(answer_format=AnswerFormat.JSON, marks=Marks.NUMBERS),
        Variant(answer_format=AnswerFormat.FREE, indecision=IndecisionOffer.CANNOT),
        Variant(framing=Framing.ETHICIST, indecision=IndecisionOffer.NOT_OFFERED),
        Variant(persona="person 03"),
    ],
)
def test_each_line_of_a_prompt_is_one_known_token_in_every_variant(folder, designs, variant):
    from llm_compare.tuning.models.local_model import load_model

    model = load_model(folder)
    for design in designs:
        for request in asked_of(design, variants=(variant,)):
            ids = model.prompt_ids(request.messages)
            assert model.tokenizer.unk_token_id not in ids
            lines = sum(bool(line) for m in request.messages for line in m.content.split("\n"))
            # A persona's line is its beginning and a name; each message has a role, and the reply has one.
            assert len(ids) == lines + len(request.messages) + 1 + bool(variant.persona)


def test_unknown_lines_are_spelled_so_that_two_of_them_differ(folder, designs):
    from llm_compare.tuning.models.local_model import load_model

    model = load_model(folder)
    ids = [
        model.prompt_ids(asked_of(designs[0], variants=(Variant(persona=persona),))[0].messages)
        for persona in ("class 1 of 2", "class 2 of 2")
    ]
    assert model.tokenizer.unk_token_id not in ids[0]
    assert len(ids[0]) == len(ids[1])
    assert sum(a != b for a, b in zip(*ids, strict=True)) == 1


def test_a_form_knows_which_token_says_which_answer(folder, designs):
    from llm_compare.tuning.models.local_model import load_model

    tokenizer = load_model(folder).tokenizer
    with_coin, without = (form_of(way, tokenizer, tokenizer.chat_template) for way in usual_ways(designs[0]))
    assert [tokenizer.decode([t]) for t in with_coin.offered] == ["A", "B", "C"]
    assert with_coin.asked.answers()[Choice.INDECISION] == "C"
    assert without.offered[2] == -1


def test_the_manifest_says_what_the_model_was_made_of(made, folder, designs):
    record = json.loads((folder / "manifest.json").read_text())
    assert [d["slug"] for d in record["designs"]] == [d.slug for d in designs]
    assert record["settings"]["steps"] == 2
    assert len(record["losses"]) == 2
    assert record["n_parameters"] == sum(p.numel() for p in made.network.parameters())


def test_each_size_is_as_large_as_it_is_said_to_be(made):
    from llm_compare.tuning.models.tiny_model import make_network

    said = {Size.TINY: 60e3, Size.SMALL: 3e6, Size.LARGE: 47e6}
    for size, about in said.items():
        network = make_network(made.tokenizer, replace(SIZES[size], layers=1))
        one_layer = sum(p.numel() for p in network.model.layers.parameters())
        whole = sum(p.numel() for p in network.parameters()) + (SIZES[size].layers - 1) * one_layer
        assert whole == pytest.approx(about, rel=0.15)


def test_the_small_size_learns_a_step_on_a_cpu(tune_extra, study):
    made = pretrain([study], size=SIZES[Size.SMALL], settings=replace(FEW, steps=1, batch=4))
    assert np.isfinite(made.losses).all()


def test_stopping_keeps_what_was_learned_and_nothing_learned_is_an_error(tune_extra, study):
    done = []
    made = pretrain(
        [study],
        size=SMALL,
        settings=replace(FEW, steps=50),
        progress=done.append,
        stop=lambda: len(done) == 3,
    )
    assert len(made.losses) == 3
    with pytest.raises(CannotTune, match="before the first step"):
        pretrain([study], size=SMALL, settings=FEW, stop=lambda: True)


def test_a_loss_that_is_no_number_names_the_learning_rate(tune_extra, study):
    with pytest.raises(CannotTune, match="--learning-rate"):
        pretrain([study], size=SMALL, settings=replace(FEW, steps=60, learning_rate=1e30))


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path, made, designs):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(CannotTune, match="something else"):
        save_pretrained(made, tmp_path / "thesis", designs=designs, size=SMALL, settings=FEW, threads=1)
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    check_folder(tmp_path / "none-yet")


def test_the_learning_rate_rises_and_then_falls_to_nothing():
    settings = PretrainSettings(steps=100, warmup=0.1)
    rates = [rate_at(step, settings) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_no_design_and_no_steps_are_refused(tune_extra):
    with pytest.raises(CannotTune, match="at least one design"):
        pretrain([], size=SMALL, settings=FEW)
    with pytest.raises(CannotTune, match="steps = 0"):
        PretrainSettings(steps=0)
