"""``compare tune base``: a model made on the spot, and refused where it cannot be."""

from __future__ import annotations

import json

import pytest

from survey.cli import run
from survey.design_file import EXAMPLES

DESIGN = str(EXAMPLES / "kidney-8.toml")


def test_a_base_is_made_for_any_design_and_can_be_asked(tune_extra, tmp_path, capsys):
    from llm_compare.prompting.call import Settings
    from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
    from llm_compare.tuning.models.local_model import load_model
    from llm_compare.tuning.models.prompted import Prompted
    from survey.design_file import read_design

    out = tmp_path / "models" / "tiny"
    command = ["compare", "tune", "base", DESIGN, "--out", str(out), "--steps", "3", "--batch", "8"]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "reads kidney-8" in said
    assert str(out) in said
    first = (out / "model.safetensors").read_bytes()
    study = read_design(EXAMPLES / "kidney-8.toml")
    requests = plan_requests(
        study,
        comparisons_to_ask(study, count=None, rng=None)[:3],
        arm=study.arms[0],
        model="openai/local",
        settings=Settings(),
    )
    model = load_model(out)
    told = model.continued([Prompted(messages=r.messages, max_tokens=2, top_logprobs=3) for r in requests])
    assert len(told) == 6
    # Made again, it is the same again.
    assert run(command) == 0
    assert (out / "model.safetensors").read_bytes() == first
    assert sorted(p.name for p in out.parent.iterdir()) == ["tiny"]


def test_a_folder_of_somebodys_work_is_refused_before_the_work(tune_extra, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run(["compare", "tune", "base", DESIGN, "--out", str(tmp_path)]) == 2
    assert "something else" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_an_attribute_of_too_many_values_is_refused_by_name(tune_extra, tmp_path, capsys):
    text = (EXAMPLES / "kidney-numeric.toml").read_text()
    fine = text.replace("maximum = 70", "maximum = 70\nstep = 0.01", 1)
    (tmp_path / "fine.toml").write_text(fine)
    assert run(["compare", "tune", "base", str(tmp_path / "fine.toml"), "--out", str(tmp_path / "m")]) == 2
    said = capsys.readouterr().err
    assert "'age' has 4501 values" in said
    assert not (tmp_path / "m").exists()


def test_a_device_that_is_not_there_is_refused(tune_extra, tmp_path, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    command = ["compare", "tune", "base", DESIGN, "--out", str(tmp_path / "m"), "--device", "cuda"]
    assert run(command) == 2
    assert "--device cuda" in capsys.readouterr().err


def test_the_manifest_names_every_design_and_the_settings(tune_extra, tmp_path):
    out = tmp_path / "m"
    assert run(["compare", "tune", "base", DESIGN, "--out", str(out), "--steps", "1", "--seed", "7"]) == 0
    record = json.loads((out / "manifest.json").read_text())
    assert [d["slug"] for d in record["designs"]] == ["kidney-8"]
    assert record["settings"]["seed"] == 7
    assert record["settings"]["steps"] == 1
