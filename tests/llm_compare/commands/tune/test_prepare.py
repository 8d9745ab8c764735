"""``equipoise compare tune prepare`` as a researcher meets it, wrong input included."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from llm_compare.commands.tune import prepare
from llm_compare.tuning.training_sets.formats import FormatKind
from llm_compare.tuning.training_sets.groups import GroupUse
from llm_compare.tuning.training_sets.held_out import TestSet
from llm_compare.tuning.training_sets.labels import LabelKind, Sides
from llm_compare.tuning.training_sets.prepared import read_prepared
from survey.answers_file import write_answers
from survey.cli import run
from survey.design_file import EXAMPLES
from survey.published_answers import import_published, import_study_1_counts

STUDY_1 = str(EXAMPLES / "kidney-study1.toml")
STUDY_2 = str(EXAMPLES / "kidney-numeric.toml")
FEW = ["--sizes", "4,all", "--draws", "2"]
UNKNOWN_PEOPLE = ["--hold-out-participants", "0"]


@pytest.fixture(scope="module")
def study_1(tmp_path_factory):
    """The published counts, as answers of nobody in particular."""
    path = tmp_path_factory.mktemp("study-1") / "answers.csv"
    write_answers(path, import_study_1_counts())
    return str(path)


@pytest.fixture(scope="module")
def study_2(tmp_path_factory, shared):
    """Forty real people's answers, each to comparisons of their own."""
    path = tmp_path_factory.mktemp("study-2") / "answers.csv"
    found = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    people = sorted({a.respondent for a in found.answers})[:40]
    write_answers(path, replace(found, answers=[a for a in found.answers if a.respondent in people]))
    return str(path)


def test_the_options_offer_what_there_is():
    assert tuple(LabelKind) == prepare.LABELS
    assert tuple(Sides) == prepare.SIDES
    assert tuple(GroupUse) == prepare.GROUP_USES
    assert tuple(FormatKind) == prepare.FORMATS


def test_published_counts_become_sets_of_shares(study_1, tmp_path, capsys):
    out = tmp_path / "prepared"
    options = ["--labels", "shares", "--hold-out-level", "drinking=heavy", *FEW, *UNKNOWN_PEOPLE]
    assert run(["compare", "tune", "prepare", STUDY_1, study_1, "--out", str(out), *options]) == 0
    shown = capsys.readouterr().out
    assert "people unknown" in shown
    assert "drinking=heavy" in shown
    assert f"Written to {out}" in shown
    prepared = read_prepared(out)
    assert set(prepared.tests) == {TestSet.COMPARISONS, TestSet.LEVELS}
    levels = prepared.test_answers(TestSet.LEVELS).answers
    assert all("heavy" in {a.left["drinking"], a.right["drinking"]} for a in levels)
    for entry in prepared.sets:
        for example in prepared.training_set(entry).examples:
            assert "heavy" not in {example.left["drinking"], example.right["drinking"]}
            assert example.n >= 60


def test_majority_labels_come_with_a_warning(study_1, tmp_path, capsys):
    options = ["--out", str(tmp_path / "prepared"), "--labels", "majority", *FEW, *UNKNOWN_PEOPLE]
    assert run(["compare", "tune", "prepare", STUDY_1, study_1, *options]) == 0
    assert "WARNING: majority labels erase people's disagreement: indecision is 30" in capsys.readouterr().out


def test_json_is_the_manifest(study_1, tmp_path, capsys):
    out = tmp_path / "prepared"
    options = ["--out", str(out), "--marks", "numbers", "--arm", "no-coin", "--json", *FEW, *UNKNOWN_PEOPLE]
    assert run(["compare", "tune", "prepare", STUDY_1, study_1, *options]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((out / "manifest.json").read_text())
    assert (shown["arm"], shown["variant"]["name"]) == ("no-coin", "numbers")
    assert shown["training"]["indecision"] == 0
    assert shown["manifest"]["inputs"]["answers"]["file"] == "answers.csv"


def test_other_formats_are_written_beside(study_1, tmp_path):
    out = tmp_path / "prepared"
    options = [
        "--out",
        str(out),
        "--format",
        "openai",
        "--format",
        "prompt-completion",
        *FEW,
        *UNKNOWN_PEOPLE,
    ]
    assert run(["compare", "tune", "prepare", STUDY_1, study_1, *options]) == 0
    assert (out / "openai" / "all-0004-1.jsonl").is_file()
    assert (out / "prompt-completion" / "all-0004-1.jsonl").is_file()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "--hold-out-participants 0"),
        ([*UNKNOWN_PEOPLE, "--hold-out-comparisons", "1"], "--hold-out-comparisons"),
        ([*UNKNOWN_PEOPLE, "--hold-out-level", "drinking=lots"], "its levels are none"),
        ([*UNKNOWN_PEOPLE, "--hold-out-level", "height=1"], "no attribute 'height'"),
        ([*UNKNOWN_PEOPLE, "--sizes", "16,many"], "'many': write numbers"),
        ([*UNKNOWN_PEOPLE, "--sizes", "0"], "write numbers from 1"),
        ([*UNKNOWN_PEOPLE, "--sizes", "5000"], "fewer than each of the sizes wanted"),
        ([*UNKNOWN_PEOPLE, "--classes", "1"], "a number from 2, or auto"),
        ([*UNKNOWN_PEOPLE, "--classes", "2"], "do not all say who gave them"),
        ([*UNKNOWN_PEOPLE, "--as", "persona"], "--group-by or --classes"),
        ([*UNKNOWN_PEOPLE, "--group-by", "gender"], "give both or neither"),
        ([*UNKNOWN_PEOPLE, "--group-by", "a", "--participants", "p.csv", "--classes", "2"], "choose one"),
        ([*UNKNOWN_PEOPLE, "--group-by", "a", "--participants", "nowhere.csv"], "nowhere.csv"),
        ([*UNKNOWN_PEOPLE, "--arm", "elsewhere"], "no arm 'elsewhere'"),
        ([*UNKNOWN_PEOPLE, "--answer-format", "scale"], "tune with letter"),
        ([*UNKNOWN_PEOPLE, "--indecision", "not-offered"], "without indecision on offer"),
        ([*UNKNOWN_PEOPLE, "--language", "xx"], "xx"),
    ],
)
def test_wrong_options_say_what_to_do(study_1, tmp_path, capsys, options, complaint):
    out = tmp_path / "prepared"
    assert run(["compare", "tune", "prepare", STUDY_1, study_1, "--out", str(out), *options]) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_files_that_are_something_else_are_named(study_1, tmp_path, capsys):
    def fails(*arguments):
        assert run(["compare", "tune", "prepare", *arguments, "--out", str(tmp_path / "prepared")]) == 2
        return capsys.readouterr().err

    assert "these are answers to another study" in fails(STUDY_2, study_1)
    assert "nowhere.toml" in fails("nowhere.toml", study_1)
    assert "nowhere.csv" in fails(STUDY_1, "nowhere.csv")
    assert "equipoise survey import" in fails(STUDY_1, str(EXAMPLES / "kidney-study1-counts.csv"))


def test_real_people_are_grouped_by_a_column_and_everybody_is_somewhere(study_2, tmp_path, capsys):
    with open(study_2, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    n_answers = sum(row["left"] != row["right"] for row in rows)
    people = sorted({row["respondent"] for row in rows})
    participants = tmp_path / "participants.csv"
    hands = [f"{person},{'left' if i % 2 else 'right'}-handed" for i, person in enumerate(people[:-4])]
    participants.write_text("\n".join(["respondent,hand", *hands, ""]))
    out = tmp_path / "prepared"
    options = ["--group-by", "hand", "--participants", str(participants), "--as", "both", "--sizes", "16,64"]
    assert run(["compare", "tune", "prepare", STUDY_2, study_2, "--out", str(out), *options]) == 0
    shown = capsys.readouterr().out
    assert "Group left-handed: " in shown
    assert "Sets personas: 16, 64; 3 draws each" in shown
    prepared = read_prepared(out)
    training = prepared.manifest["training"]
    assert training["n_answers"] + sum(t["n_answers"] for t in prepared.manifest["tests"]) == n_answers
    assert training["n_participants"] == 40 - 8
    # Everybody saw comparisons of their own, so whoever is new answered what nobody in training did.
    sizes = {t["name"]: t["n_answers"] for t in prepared.manifest["tests"]}
    assert sizes["both"] > 300 > sizes["comparisons"] > 200 > 20 > sizes.get("participants", 0)
    held_out = prepared.test_answers(TestSet.BOTH)
    assert {type(a.left["age"]) for a in held_out.answers} == {int}
    for group in prepared.groups:
        assert 0 < len(prepared.test_answers(TestSet.BOTH, group.name).answers) < len(held_out.answers)


def test_replacing_other_sets_is_said(study_1, tmp_path, capsys):
    def prepared(*options):
        command = ["compare", "tune", "prepare", STUDY_1, study_1, "--out", str(tmp_path / "p"), *options]
        assert run([*command, *FEW, *UNKNOWN_PEOPLE, "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["complete"]
        return said.err

    assert "are gone" not in prepared()
    assert "are gone" not in prepared()
    assert "other sets were prepared" in prepared("--seed", "1")


def test_prompts_that_nobody_was_asked_with_are_refused_with_the_way_out(study_1, tmp_path, capsys):
    command = [
        "compare",
        "tune",
        "prepare",
        STUDY_1,
        study_1,
        "--out",
        str(tmp_path / "p"),
        *FEW,
        *UNKNOWN_PEOPLE,
    ]
    assert run([*command, "--indecision", "not-offered"]) == 2
    assert "nobody answered without indecision on offer" in (said := capsys.readouterr().err)
    assert "leave --indecision out" in said
