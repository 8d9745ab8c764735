"""A prepared folder: what is in it, what is not, and what happens when somebody touches it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from llm_compare.errors import BadTrainingSet, CannotTune
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.training_sets.groups import GroupUse, group_by_class, group_by_column
from llm_compare.tuning.training_sets.held_out import HeldOut, TestSet
from llm_compare.tuning.training_sets.labels import LabelKind, Sides
from llm_compare.tuning.training_sets.preparation import PrepareSettings, prepare
from llm_compare.tuning.training_sets.prepared import read_prepared
from llm_compare.tuning.training_sets.prepared_writing import write_prepared
from llm_compare.tuning.training_sets.training_file import answers_of
from survey.answers import Role
from survey.design_file import EXAMPLES

DESIGN = EXAMPLES / "kidney-numeric.toml"
FEW = PrepareSettings(sizes=(16, 64, None), draws=2)


@pytest.fixture
def written(study, crowd, tmp_path):
    """Return a function that prepares the crowd's answers and writes them."""

    def write(settings=FEW, *, folder="prepared", grouped=None, people=None):
        made = prepare(study, people or crowd(), settings, grouped=grouped)
        return write_prepared(tmp_path / folder, made, design_file=DESIGN, manifest={})

    return write


def by_parity(study):
    values = {f"person-{i:02d}": ("even" if i % 2 == 0 else "odd") for i in range(12)}
    return lambda training: group_by_column(values, training, study, column="number", least=3)


def test_what_is_written_is_read(written, study):
    prepared = written()
    assert read_prepared(prepared.folder) == prepared
    assert [s.name for s in prepared.sets] == [
        f"all-{size:04d}-{draw}" for draw in (1, 2) for size in (16, 64, 160)
    ]
    assert (prepared.design, prepared.arm.name, prepared.variant) == (study, "with-coin", Variant())
    for entry in prepared.sets:
        found = prepared.training_set(entry)
        assert (found.name, found.size, found.draw) == (entry.name, entry.size, entry.draw)
        assert len(found.examples) == entry.n_examples == 2 * entry.size
        assert len(answers_of(found)) == entry.n_answers == entry.size


def test_sets_of_a_draw_are_nested_and_draws_differ(written):
    prepared = written()
    sets = {e.name: prepared.training_set(e).examples for e in prepared.sets}
    for draw in (1, 2):
        small, middle, large = (sets[f"all-{size:04d}-{draw}"] for size in (16, 64, 160))
        assert (small, middle) == (large[:32], large[:128])
    assert sets["all-0016-1"] != sets["all-0016-2"]


def test_every_answer_is_in_training_or_in_one_test(written, crowd):
    prepared = written()
    held_out = Counter(
        (a.respondent, a.position) for test in prepared.tests for a in prepared.test_answers(test).answers
    )
    assert max(held_out.values()) == 1
    largest = prepared.training_set(prepared.sets[-1])
    assert len(largest.examples) // 2 + len(held_out) == len(crowd().answers)

    def told(answers):
        return Counter(
            (a.comparison, a.choice if a.comparison.first == a.left else a.choice.mirrored) for a in answers
        )

    rest = [a for a in crowd().answers if (a.respondent, a.position) not in held_out]
    assert told(answers_of(largest)) == told(rest)


def test_the_same_answers_give_the_same_bytes_in_any_order(written, crowd):
    def contents(prepared):
        return {
            p.relative_to(prepared.folder): p.read_bytes() for p in prepared.folder.rglob("*") if p.is_file()
        }

    people = crowd()
    one = contents(written(folder="one"))
    other = contents(written(folder="other", people=replace(people, answers=people.answers[::-1])))
    assert one == other
    assert contents(written(replace(FEW, seed=1), folder="third")) != one


def test_who_answered_is_told_only_to_the_owner_and_only_of_held_out_answers(written, study):
    prepared = written(grouped=by_parity(study))
    for path in prepared.folder.rglob("*"):
        if path.is_file():
            named = b"person-" in path.read_bytes()
            assert named == (path.parent.name == "held_out")
            if path.parent.name in ("held_out", "training"):
                assert path.stat().st_mode & 0o777 == 0o600
    groups = (prepared.folder / "held_out" / "groups.csv").read_text()
    assert groups.splitlines()[0] == "respondent,group"


def test_groups_have_sets_and_tests_of_their_own(written, study):
    settings = replace(FEW, held_out=HeldOut(participants=0.4))
    prepared = written(settings, grouped=by_parity(study))
    assert [g.name for g in prepared.groups] == ["even", "odd"]
    assert {s.group for s in prepared.sets} == {"", "even", "odd"}
    for name in ("even", "odd"):
        entry = next(s for s in prepared.sets if s.group == name)
        assert entry.name == f"{name}-0016-1"
        assert "Answer as" not in prepared.training_set(entry).examples[0].messages[0].content
    for test in prepared.tests:
        parts = [prepared.test_answers(test, g.name).answers for g in prepared.groups]
        assert all(int(a.respondent[-2:]) % 2 == i for i, part in enumerate(parts) for a in part)
        assert sum(map(len, parts)) == len(prepared.test_answers(test).answers)
    with pytest.raises(CannotTune, match="no group 'third'; there are even, odd"):
        prepared.test_answers(prepared.tests[0], "third")


@pytest.mark.parametrize(
    ("value", "name"), [("../../x", "x"), ("All genders", "all-genders"), ("a/b\\c \U0001f600", "a-b-c")]
)
def test_whatever_a_group_is_called_its_files_lie_in_the_folder(written, study, tmp_path, value, name):
    values = {f"person-{i:02d}": (value if i % 2 == 0 else "odd") for i in range(12)}
    prepared = written(
        replace(FEW, sizes=(16, None)),
        grouped=lambda training: group_by_column(values, training, study, column="kind", least=3),
    )
    assert {s.group for s in prepared.sets} == {"", name, "odd"}
    assert {p.name for p in tmp_path.iterdir()} == {"prepared"}
    assert {s.path.parent for s in prepared.sets} == {prepared.folder / "training"}
    # Of everybody's sets: those of the groups have other sizes.
    assert prepared.manifest["sizes"] == [16, 160]


def test_personas_let_one_set_speak_of_every_group(written, study):
    prepared = written(replace(FEW, group_use=GroupUse.PERSONA), grouped=by_parity(study))
    assert {(s.group, s.personas) for s in prepared.sets} == {("", False), ("", True)}
    entry = next(s for s in prepared.sets if s.name == "personas-0160-1")
    examples = prepared.training_set(entry).examples
    assert {e.group for e in examples} == {"even", "odd"}
    for e in examples:
        assert f"Answer as the following person would: number: {e.group}" in e.messages[0].content
    even = prepared.groups[0]
    assert prepared.variant_as(even).persona == "number: even"
    both = written(replace(FEW, group_use=GroupUse.BOTH), grouped=by_parity(study))
    assert {s.name.split("-")[0] for s in both.sets} == {"all", "even", "odd", "personas"}


def test_a_persona_of_all_prompts_leaves_no_room_for_groups(study, crowd):
    settings = replace(FEW, group_use=GroupUse.PERSONA, variant=Variant(name="nurse", persona="a nurse"))
    with pytest.raises(CannotTune, match="leave --persona out"):
        prepare(study, crowd(), settings, grouped=by_parity(study))


def test_classes_are_of_people_in_training_only(written, study, crowd):
    prepared = written(
        people=crowd(people=20),
        grouped=lambda training: group_by_class(training, study, n_classes=2, seed=0),
    )
    known = prepared.test_answers(TestSet.COMPARISONS)
    of_classes = [prepared.test_answers(TestSet.COMPARISONS, g.name).answers for g in prepared.groups]
    assert sum(map(len, of_classes)) == len(known.answers)
    with pytest.raises(CannotTune, match="none of the answers held out as 'participants' is known to be of"):
        prepared.test_answers(TestSet.PARTICIPANTS, "class-1")


def test_a_group_too_small_for_every_size_has_none(written, study):
    prepared = written(replace(FEW, sizes=(100,)), grouped=by_parity(study))
    assert {s.group for s in prepared.sets} == {""}
    assert any("'even' has" in note and "no set of 100" in note for note in prepared.manifest["notes"])
    with pytest.raises(CannotTune, match="160 answers to train on, fewer than each"):
        written(replace(FEW, sizes=(1000,)))


def test_sets_of_shares_and_of_majorities_count_comparisons(written):
    shares = written(replace(FEW, labels=LabelKind.SHARES, sizes=(None,)))
    n_comparisons = shares.manifest["training"]["n_comparisons"]
    assert {(s.size, s.n_answers) for s in shares.sets} == {(n_comparisons, 160)}
    majority = written(replace(FEW, labels=LabelKind.MAJORITY, sizes=(None,), sides=Sides.AS_SHOWN))
    assert majority.manifest["notes"][0].startswith("WARNING: majority labels erase people's disagreement")


def test_preparing_again_leaves_nothing_of_before(written, study):
    before = written(grouped=by_parity(study))
    mine = before.folder / "training" / "notes.txt"
    mine.write_text("my own")
    after = written(replace(FEW, sizes=(32,), held_out=HeldOut(participants=0)))
    left = {p.relative_to(after.folder).as_posix() for p in after.folder.rglob("*") if p.is_file()}
    assert left == {
        "manifest.json",
        "design.toml",
        "training/all-0032-1.jsonl",
        "training/all-0032-2.jsonl",
        "training/notes.txt",
        "held_out/comparisons.csv",
    }


def test_a_folder_with_something_else_is_not_touched(written, tmp_path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "thesis.tex").write_text("mine")
    with pytest.raises(CannotTune, match="holds something else"):
        written()
    assert [p.name for p in (tmp_path / "prepared").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CannotTune, match="is a file"):
        written(folder="file")
    with pytest.raises(CannotTune, match="there is no folder"):
        written(folder="nowhere/prepared")


def _changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda f: (f / "manifest.json").unlink(), "tune prepare"),
        (lambda f: (f / "manifest.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "manifest.json").write_text("{}"), "is no manifest"),
        (lambda f: _changed(f / "manifest.json", '"format_version": 1', '"format_version": 7'), "version 7"),
        (
            lambda f: _changed(f / "manifest.json", '"complete": true', '"complete": false'),
            "not written to the end",
        ),
        (
            lambda f: _changed(f / "manifest.json", '"labels": "answers"', '"labels": "votes"'),
            "labels: is 'votes'",
        ),
        (lambda f: _changed(f / "manifest.json", '"arm": "with-coin"', '"arm": "else"'), "no arm 'else'"),
        (lambda f: _changed(f / "manifest.json", '"sides": "both",', ""), "sides is missing"),
        (lambda f: _changed(f / "design.toml", "minimum = 25", "minimum = 20"), "was changed after the sets"),
        (lambda f: (f / "design.toml").unlink(), "name an existing file"),
        (
            lambda f: _changed(f / "manifest.json", '"name": "all-0016-1"', '"name": "../../all-0016-1"'),
            "sets.name: is '../../all-0016-1'",
        ),
        (
            lambda f: _changed(f / "manifest.json", '"file": "training/', '"file": "training/../training/'),
            "sets.file: is 'training/../training/all-0016-1.jsonl'",
        ),
        (lambda f: (f / "training" / "all-0016-1.jsonl").unlink(), "is missing; prepare it again"),
    ],
)
def test_a_damaged_folder_is_refused(written, damage, complaint):
    folder = written().folder
    damage(folder)
    with pytest.raises(BadTrainingSet, match=complaint):
        read_prepared(folder)


def test_changed_files_are_refused_when_they_are_read(written):
    prepared = written()
    _changed(prepared.sets[0].path, '"n": 1', '"n": 2')
    with pytest.raises(BadTrainingSet, match="was changed after it was prepared"):
        prepared.training_set(prepared.sets[0])
    _changed(prepared.folder / "held_out" / "both.csv", "person-", "persona-")
    with pytest.raises(BadTrainingSet, match=r"both.csv: was changed"):
        prepared.test_answers(TestSet.BOTH)
    with pytest.raises(CannotTune, match="no answers are held out as 'levels'; there are comparisons"):
        prepared.test_answers(TestSet.LEVELS)


def test_a_stopped_preparation_can_be_made_again(written, study, crowd, tmp_path, monkeypatch):
    from llm_compare.tuning.training_sets import prepared_writing

    def stopped(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepared_writing, "_write_answers", stopped)
        with pytest.raises(KeyboardInterrupt):
            written()
    with pytest.raises(BadTrainingSet, match="not written to the end"):
        read_prepared(tmp_path / "prepared")
    assert written().sets


def test_only_main_answers_of_the_arm_count(study, crowd, answer):
    people = crowd()
    more = [
        replace(people.answers[0], role=Role.REPEAT),
        replace(people.answers[1], arm="no-coin", indecision_offered=False),
        replace(people.answers[2], arm="", indecision_offered=False),
    ]
    made = prepare(study, replace(people, answers=[*people.answers, *more], set_aside={"skip": 3}), FEW)
    plain = prepare(study, people, FEW)
    assert made.sets == plain.sets
    assert set(plain.notes) < set(made.notes)
    assert set(made.notes) - set(plain.notes) == {
        "1 answers in other arms than 'with-coin' are left out",
        "1 of the people's answers were not given with indecision on offer and are left out",
        "no choices, and never trained on as indecision: 3 skip",
    }
    with pytest.raises(CannotTune, match="nobody answered in the arm 'no-coin', only in with-coin"):
        prepare(study, people, replace(FEW, arm="no-coin"))
    with pytest.raises(CannotTune, match="at least 1"):
        PrepareSettings(draws=0)
