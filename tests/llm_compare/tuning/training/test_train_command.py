from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from llm_compare.tuning.models.fingerprint import ADAPTER_WEIGHTS
from llm_compare.tuning.training.adapter_manifest import MANIFEST_FILE, read_adapter_manifest
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.answers_file import write_answers
from survey.cli import run
from survey.design import design_hash
from survey.design_file import EXAMPLES

QUICK = ("--steps", "4", "--batch", "8", "--rank", "2", "--learning-rate", "0.005", "--dropout", "0.1")


@pytest.fixture(scope="module")
def prepared(study, requests_of, tmp_path_factory):
    """Sets of 4 and 12 answers, two draws, of people who take the younger patient."""
    folder = tmp_path_factory.mktemp("train")
    answers = [
        Answer(
            respondent=f"p{person}",
            kind=RespondentKind.HUMAN,
            arm=study.arms[0].name,
            position=position,
            left=request.left,
            right=request.right,
            choice=Choice.LEFT
            if request.left.as_dict()["age"] < request.right.as_dict()["age"]
            else Choice.RIGHT,
            indecision_offered=True,
            design_hash=design_hash(study),
        )
        for person in range(3)
        for position, request in enumerate(requests_of(8, seed=person)[::2], start=1)
    ]
    write_answers(
        folder / "answers.csv", AnswerSet(attributes=study.attributes, answers=answers, source="made up")
    )
    arguments = ["--sizes", "4,12", "--draws", "2", "--hold-out-participants", "0"]
    design = str(EXAMPLES / "kidney-numeric.toml")
    out = str(folder / "prepared")
    assert (
        run(["compare", "tune", "prepare", design, str(folder / "answers.csv"), "--out", out, *arguments])
        == 0
    )
    return folder / "prepared"


@pytest.fixture
def command(prepared, random_base):
    """Return a function that gives the command's arguments."""

    def arguments(out, *more):
        model = ["--model", str(random_base), "--out", str(out)]
        return ["compare", "tune", "train", str(prepared), *model, *QUICK, *map(str, more)]

    return arguments


def test_every_set_gets_an_adapter_and_the_same_command_then_finds_nothing_to_do(command, tmp_path, capsys):
    assert run(command(tmp_path / "a")) == 0
    said = capsys.readouterr().out
    names = ["all-0004-1", "all-0004-2", "all-0012-1", "all-0012-2"]

    assert "4 training sets" in said
    assert "16 steps of 8 examples to go" in said
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == names
    assert len({(tmp_path / "a" / name / ADAPTER_WEIGHTS).read_bytes() for name in names}) == 4
    written = {name: (tmp_path / "a" / name / MANIFEST_FILE).stat().st_mtime_ns for name in names}
    assert run(command(tmp_path / "a", "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    assert sorted(a["set_name"] for a in record["adapters"]) == names
    assert written == {n: (tmp_path / "a" / n / MANIFEST_FILE).stat().st_mtime_ns for n in names}


def test_a_dry_run_tells_the_plan_and_writes_nothing(command, tmp_path, capsys):
    assert run(command(tmp_path / "a", "--dry-run", "--json", "--draw", 2, "--size", 4)) == 0
    plan = json.loads(capsys.readouterr().out)

    assert [(s["name"], s["steps_left"], s["is_finished"]) for s in plan["sets"]] == [
        ("all-0004-2", 4, False)
    ]
    assert plan["n_parameters"] > 0
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "all-0099-1"), "--set all-0099-1: .* it has all-0004-1"),
        (("--size", "5"), "--size 5: .* it has 4, 12"),
        (("--draw", "3"), "--draw 3: .* it has 1, 2"),
        (("--group", "women"), "--group women: .* it has all"),
        (("--set", "all-0004-1", "--draw", "2"), "no training set is all that was asked for"),
        (("--rank", "0"), "rank = 0: must be at least 1"),
        (("--target-modules", "q_proj,query"), "no layer named query; name some of q_proj"),
        (("--dtype", "float16"), "--dtype bfloat16"),
        (("--chat-template", "none.jinja"), "--chat-template none.jinja"),
        (("--device", "cuda:7"), "--device cuda:7: is not on this machine"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_way_out(command, tmp_path, capsys, arguments, said):
    import re

    assert run(command(tmp_path / "a", *arguments)) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "a").exists()


def test_adapters_of_other_settings_are_left_alone(command, tmp_path, capsys):
    only = ("--set", "all-0004-1")
    assert run(command(tmp_path / "a", *only)) == 0
    before = (tmp_path / "a" / "all-0004-1" / ADAPTER_WEIGHTS).read_bytes()

    assert run(command(tmp_path / "a", *only, "--alpha", 4)) == 2
    assert "alpha 16.0 there, 4.0 now" in capsys.readouterr().err
    assert (tmp_path / "a" / "all-0004-1" / ADAPTER_WEIGHTS).read_bytes() == before


def started(arguments, **environment):
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "survey.cli", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def appears(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


LONGER = ("--set", "all-0012-1", "--steps", "150", "--validation", "0.3")


@pytest.mark.long
def test_killed_and_started_again_it_ends_with_the_bytes_of_a_run_that_was_not(command, tmp_path):
    assert run(command(tmp_path / "whole", *LONGER)) == 0
    kept = tmp_path / "killed" / "all-0012-1.checkpoint.safetensors"
    often = command(tmp_path / "killed", *LONGER, "--checkpoint-every", 7)
    process = started(often)
    appears(kept, process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed" / "all-0012-1").exists()

    last = started(often)
    assert last.communicate()[1] == ""

    whole, killed = (tmp_path / name / "all-0012-1" for name in ("whole", "killed"))
    assert (whole / ADAPTER_WEIGHTS).read_bytes() == (killed / ADAPTER_WEIGHTS).read_bytes()
    assert (whole / MANIFEST_FILE).read_bytes() == (killed / MANIFEST_FILE).read_bytes()
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["all-0012-1"]


@pytest.mark.long
def test_ctrl_c_keeps_how_far_it_came_and_says_how_to_go_on(command, tmp_path):
    often = command(tmp_path / "a", *LONGER, "--checkpoint-every", 1)
    process = started(often)
    appears(tmp_path / "a" / "all-0012-1.checkpoint.safetensors", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()

    assert process.returncode == 130
    assert "0 of 1 adapters are finished; of all-0012-1, " in said
    assert "of 150 steps are kept in" in said
    assert "Traceback" not in said
    again = started([*often, "--dry-run"])
    assert "goes on after step" in again.communicate()[0]


@pytest.mark.long
def test_two_processes_train_as_one_does(command, tmp_path):
    one = replace_dropout(command(tmp_path / "one", "--set", "all-0012-1", "--validation", "0.3"))
    two = replace_dropout(command(tmp_path / "two", "--set", "all-0012-1", "--validation", "0.3"))
    assert run(one) == 0

    launched = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *("-m", "survey.cli", *two),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )

    assert launched.returncode == 0, launched.stderr
    assert launched.stdout.count("Written to") == 1
    alone, together = (read_adapter_manifest(tmp_path / n / "all-0012-1") for n in ("one", "two"))
    assert together.processes == 2
    assert together.losses == pytest.approx(alone.losses, abs=1e-5)
    assert dict(together.validation_losses) == pytest.approx(dict(alone.validation_losses), abs=1e-5)
    assert replace(together.origin, processes=1) == alone.origin
    assert [p.name for p in (tmp_path / "two").iterdir()] == ["all-0012-1"]


def replace_dropout(arguments):
    """Leave nothing out by chance: each process would leave out something else."""
    place = arguments.index("--dropout")
    return [*arguments[: place + 1], "0", *arguments[place + 2 :]]
