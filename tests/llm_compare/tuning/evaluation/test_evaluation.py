"""The whole way on a random tiny model: prepared sets, adapters, everything measured, written and shown."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil

import numpy as np
import pytest

from llm_compare.errors import BadModel, CannotTune, NotMeasurable
from llm_compare.tuning.evaluation.adapters import check_base, find_adapters
from llm_compare.tuning.evaluation.answering import Asker
from llm_compare.tuning.evaluation.evaluation import EvaluationSettings, evaluate
from llm_compare.tuning.evaluation.measures import Key
from llm_compare.tuning.evaluation.paired import answers_alike
from llm_compare.tuning.evaluation.share_table import ShareTable
from llm_compare.tuning.evaluation.texts import bits_per_token, text_moved
from llm_compare.tuning.report.page import render
from llm_compare.tuning.report.tuning_file import document_text
from llm_compare.tuning.training_sets.groups import GroupUse, group_by_column
from llm_compare.tuning.training_sets.held_out import HeldOut
from llm_compare.tuning.training_sets.preparation import PrepareSettings, prepare
from llm_compare.tuning.training_sets.prepared_writing import write_prepared
from survey.answers_file import answer_columns
from survey.cli import run
from survey.columns import write_csv
from survey.design_file import EXAMPLES

N_COMPARISONS = 12


@pytest.fixture(scope="module")
def command(prepared, adapters, answering_base, answers, tmp_path_factory):
    """What is typed, with everything small and the study itself as another one; and where it is written."""
    folder = tmp_path_factory.mktemp("evaluated")
    with (folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
        write_csv(file, answer_columns(answers.attributes), answers.answers)
    words = ["compare", "tune", "evaluate", str(prepared.folder), "--model", str(answering_base)]
    words += ["--adapters", str(adapters), "--out", str(folder / "tuning.json")]
    words += ["--report", str(folder / "tuning.html"), "--replies", str(folder / "replies")]
    words += ["--other", str(EXAMPLES / "kidney-numeric.toml"), str(folder / "people.csv")]
    words += ["--comparisons", str(N_COMPARISONS), "--repeats", "2", "--draws", "20", "--device", "cpu"]
    return folder, words


@pytest.fixture(scope="module")
def evaluated(command):
    """The folder that the command wrote, and what it said."""
    folder, words = command
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run(words) == 0
    return folder, said.getvalue()


@pytest.fixture(scope="module")
def record(evaluated):
    """Everything that is measured."""
    return json.loads((evaluated[0] / "tuning.json").read_text())


def test_the_curve_holds_the_base_and_every_size_beside_plain_models(record):
    points = {(r["respondent"], r["size"], r["n_draws"]) for r in record["curve"]}
    assert points >= {("tuned", 0, 1), ("tuned", 16, 1), ("tuned", 48, 2), ("weights", 48, 2)}
    assert {r["interval"] for r in record["curve"] if r["size"] == 48} == {"draws"}
    assert {(d["size"], d["minus"]) for d in record["differences"]} >= {(48, "base"), (48, "weights")}
    assert (48, "smallest") in {(d["size"], d["minus"]) for d in record["differences"]}
    assert (16, "smallest") not in {(d["size"], d["minus"]) for d in record["differences"]}
    for row in record["curve"]:
        for value in row["values"].values():
            assert value["value"] is not None or value["reason"]


def test_a_point_is_the_mean_of_its_draws_and_a_difference_that_of_points(record):
    def at(respondent, size):
        return next(
            r["values"]["brier"]
            for r in record["curve"]
            if (r["respondent"], r["size"]) == (respondent, size)
        )

    tuned = at("tuned", 48)
    assert tuned["value"] == pytest.approx(np.mean(tuned["by_draw"]))
    for minus, other in (("base", at("tuned", 0)), ("weights", at("weights", 48))):
        found = next(d for d in record["differences"] if (d["size"], d["minus"]) == (48, minus))
        assert found["values"]["brier"]["value"] == pytest.approx(tuned["value"] - other["value"])
        assert found["values"]["brier"]["low"] < found["values"]["brier"]["high"]


def test_sizes_are_compared_draw_by_draw_where_both_have_the_draw(record):
    tuned = {
        r["size"]: r for r in record["curve"] if r["respondent"] == "tuned" and r["test"] == "comparisons"
    }
    # Of size 16 there is the first draw alone.
    first = tuned[48]["values"]["brier"]["by_draw"][0] - tuned[16]["values"]["brier"]["by_draw"][0]
    found = next(d for d in record["differences"] if d["minus"] == "smallest" and d["test"] == "comparisons")
    assert found["values"]["brier"]["value"] == pytest.approx(first)


def test_nobody_is_called_a_real_person_who_was_not_stated_to_be(record, evaluated):
    source = record["study"]["people_source"]
    assert source["kind"] == "not stated"
    assert record["before_after"]["origins"][0]["kind"] == "not stated"
    assert str(evaluated[0]) not in json.dumps(record)


def test_what_was_left_out_is_said(record):
    assert any("all-0016-2" in note for note in record["notes"])


def test_distractors_that_the_model_cannot_read_are_not_called_harmless(record):
    assert record["moved"]["distractors"] == []
    assert any("Favorite season" in note for note in record["notes"])


def test_everything_beside_the_curve_is_there(record):
    assert [m["measured"]["label"] for m in record["before_after"]["models"]] == ["before", "after"]
    assert record["moved"]["with"] == "all-0048-1"
    other = record["moved"]["other_studies"][0]
    assert other["n_comparisons"] == N_COMPARISONS
    assert "people" in other["toward_people"]
    assert record["moved"]["other_prompts"][0]["name"] == "as-tuned"


def test_the_command_writes_the_numbers_the_page_and_the_replies(evaluated, record):
    folder, said = evaluated
    assert f"Written to {folder / 'tuning.html'}" in said
    assert "<html" in (folder / "tuning.html").read_text()
    assert record["format"] == "equipoise tuning"
    assert {p.name for p in (folder / "replies").iterdir()} >= {"base.jsonl", "all-0048-1.jsonl"}


def test_groups_are_measured_on_each_others_answers_and_as_personas(
    study, answers, base, answering_base, tmp_path
):
    from llm_compare.tuning.models.local_model import Loading
    from llm_compare.tuning.training.settings import TrainSettings
    from llm_compare.tuning.training.train import train

    values = {f"person-{i}": "one" if i % 2 else "two" for i in range(12)}
    made = prepare(
        study,
        answers,
        PrepareSettings(
            sizes=(16,),
            draws=1,
            group_use=GroupUse.BOTH,
            held_out=HeldOut(comparisons=0.3, participants=0.0, levels=()),
        ),
        grouped=lambda training: group_by_column(values, training, study, column="kind", least=2),
    )
    design_file = EXAMPLES / "kidney-numeric.toml"
    grouped = write_prepared(tmp_path / "prepared", made, design_file=design_file, manifest={})
    for entry in grouped.sets:
        train(
            grouped.training_set(entry),
            answering_base,
            TrainSettings(rank=1, steps=1, batch=4),
            tmp_path / "adapters" / entry.name,
            loading=Loading(device="cpu"),
        )
    found = evaluate(
        grouped,
        base,
        find_adapters(grouped, tmp_path / "adapters"),
        EvaluationSettings(n_comparisons=4, repeats=1, n_draws=20),
        source="tiny",
        asker=Asker(),
        manifest={},
    )
    names = [g.name for g in grouped.groups]
    cells = {(r["trained_on"], r["tested_on"], r["as"]) for r in found["groups"]}
    assert cells == {
        (trained, tested, how)
        for tested in names
        for trained, how in [
            ("nobody", "separate"),
            ("all", "separate"),
            ("all", "persona"),
            *((name, "separate") for name in names),
        ]
    }
    assert {r["group"] for r in found["curve"]} == {"", *names}
    # Measured adapters leave memory: there may be hundreds.
    assert base.weights.n_parameters == sum(p.numel() for p in base.network.parameters())
    of_base = [r["values"]["brier"]["value"] for r in found["groups"] if r["trained_on"] == "nobody"]
    assert len(set(of_base)) == len(names)
    assert "<html" in render(json.loads(document_text(found)), source=None)


def test_a_base_that_gives_no_readable_answer_has_a_curve_and_a_note(prepared, taught, tmp_path):
    from llm_compare.tuning.models.local_model import Loading, load_model
    from llm_compare.tuning.training.settings import TrainSettings
    from llm_compare.tuning.training.train import train

    silent = load_model(taught(["- Age: 30 years old"]), loading=Loading(device="cpu"))
    settings = TrainSettings(rank=1, steps=1, batch=4, learning_rate=1e-6)
    entry = prepared.sets[0]
    train(
        prepared.training_set(entry),
        silent,
        settings,
        tmp_path / entry.name,
        loading=Loading(device="cpu"),
    )
    found = evaluate(
        prepared,
        silent,
        find_adapters(prepared, tmp_path),
        EvaluationSettings(n_comparisons=4, repeats=1, n_draws=20),
        source="tiny",
        asker=Asker(),
        manifest={},
    )
    before = next(r for r in found["curve"] if r["size"] == 0)
    assert before["values"]["person"]["value"] is None
    assert before["values"]["elsewhere"]["value"] > 0.5
    assert found["before_after"] is None
    assert any("not compared in detail" in note for note in found["notes"])
    assert "<html" in render(json.loads(document_text(found)), source=None)


def test_without_adapters_nothing_is_evaluated(prepared, tmp_path):
    with pytest.raises(CannotTune, match="no folder"):
        find_adapters(prepared, tmp_path / "none")
    with pytest.raises(CannotTune, match="no finished adapter"):
        find_adapters(prepared, tmp_path)


def test_an_adapter_of_other_answers_or_of_no_set_is_refused(prepared, adapters, tmp_path):
    other = tmp_path / "adapters"
    shutil.copytree(adapters / "all-0016-1", other / "all-0048-1")
    with pytest.raises(CannotTune, match="another set"):
        find_adapters(prepared, other)
    (other / "all-0048-1").rename(other / "strange")
    with pytest.raises(CannotTune, match="no set"):
        find_adapters(prepared, other)


def test_an_adapter_of_another_base_is_refused(prepared, adapters, base):
    from dataclasses import replace

    found = find_adapters(prepared, adapters).found
    check_base(found, base)
    with pytest.raises(BadModel, match="was trained over"):
        check_base(found, replace(base, base_fingerprint="0" * 64))


def test_bits_per_token_are_those_of_a_plain_loop(base, requests_of):
    import torch

    text = "\n".join(m.content for r in requests_of(3) for m in r.messages)
    ids = base.tokenizer.encode(text, add_special_tokens=False)
    window = base.context
    total, n = 0.0, 0
    for start in range(0, len(ids), window):
        piece = ids[start : start + window]
        for i in range(1, len(piece)):
            with base.active() as network, torch.inference_mode():
                logits = network(input_ids=torch.tensor([piece[:i]])).logits[0, -1]
            total -= float(torch.log_softmax(logits.double(), dim=-1)[piece[i]]) / math.log(2)
            n += 1
    assert bits_per_token(base, ids) == pytest.approx(total / n, abs=1e-4)


def test_a_text_of_unknown_words_is_refused(base, tmp_path):
    (tmp_path / "text.txt").write_text("One line.\nAnother that no study has.\nAnd more.")
    with pytest.raises(NotMeasurable, match="does not know"):
        text_moved(tmp_path / "text.txt", base, base)


def test_answers_are_alike_as_often_as_draws_from_both_sides_are(study):
    comparisons = tuple(study.comparisons() or ()) or None
    assert comparisons is None
    from llm_compare.prompting.plan import comparisons_to_ask

    asked = comparisons_to_ask(study, count=4, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    one, other = (
        ShareTable(
            comparisons=asked,
            by_side=rng.dirichlet([1, 1, 1], size=(4, 2)),
            elsewhere=np.zeros((4, 2)),
        )
        for _ in range(2)
    )
    drawn = [
        [[rng.choice(3, size=20_000, p=t.by_side[i, side]) for t in (one, other)] for side in range(2)]
        for i in range(4)
    ]
    expected = [np.mean([np.mean(a == b) for a, b in sides]) for sides in drawn]
    np.testing.assert_allclose(answers_alike(one, other), expected, atol=0.02)


@pytest.mark.long
def test_the_command_ends_with_the_same_bytes_when_replies_are_kept_and_when_they_are_not(command, evaluated):
    folder, words = command
    first = (folder / "tuning.json").read_bytes()
    assert run(words) == 0
    assert (folder / "tuning.json").read_bytes() == first
    shutil.rmtree(folder / "replies")
    assert run(words) == 0
    assert (folder / "tuning.json").read_bytes() == first


def test_the_command_refuses_unknown_tests_before_any_work(prepared, capsys):
    command = ["compare", "tune", "evaluate", str(prepared.folder), "--model", "x", "--adapters", "y"]
    assert run([*command, "--tests", "people"]) == 2
    assert "comparisons,participants" in capsys.readouterr().err


def test_the_keys_of_the_record_are_the_measures(record):
    assert [m["key"] for m in record["measures"]] == [k.value for k in Key]
