"""The researcher's page of a study's estimate."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from estimation.dataset import choice_data
from estimation.fitting import fit
from estimation.live import choice_data_of, width_at_checkpoint
from estimation.specification import Model
from survey.answers import Choice
from survey.answers_file import read_answers
from survey.config import Settings, secrets_of
from survey.db import reading, writing
from survey.export import answers_of_study
from survey.rehearsal import rehearse
from survey.serving import served_in_background
from survey.store import stopping_rules, studies
from survey.store.choice_counts import choice_counts
from survey.tables import EventRow, ParticipantState, StudyRow

Put = Callable[..., None]
Send = Callable[..., TestResponse]

LOOK = "estimate looked at"


@pytest.fixture
def page_of(owner: FlaskClient, study_id: int) -> Callable[..., TestResponse]:
    def get(rest: str = "") -> TestResponse:
        return owner.get(f"/research/studies/{study_id}/estimate{rest}")

    return get


def events(engine: Engine, what: str) -> list[EventRow]:
    with reading(engine) as session:
        return list(session.scalars(select(EventRow).where(EventRow.what == what).order_by(EventRow.id)))


def words(page: TestResponse) -> str:
    """Return what stands in the page's main part, without tags and with single spaces."""
    main = page.text[page.text.index("<main") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)).replace("&#39;", "'")


def always(choice: Choice) -> Callable[..., Choice]:
    return lambda rng, left, right: choice


# --- who may see it, and what is noted -----------------------------------------------------------------


def test_strangers_are_sent_to_sign_in(app: Flask, study_id: int) -> None:
    for rest in ("", "/look"):
        answer = app.test_client().get(f"/research/studies/{study_id}/estimate{rest}")
        assert answer.status_code == 303
        assert "/sign-in" in answer.headers["Location"]


def test_each_look_is_noted_with_who_when_and_how_many_answers(
    engine: Engine, study_id: int, viewer: FlaskClient, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 30, choose=by_davidson(strengths))
    before = datetime.now(UTC)
    for _ in range(2):
        assert viewer.get(f"/research/studies/{study_id}/estimate/look?model=min-delta").status_code == 200
    noted = events(engine, LOOK)
    assert [event.actor for event in noted] == ["account vera"] * 2
    assert noted[0].at >= before
    assert noted[0].detail == {
        "answers": 840,
        "respondents": 30,
        "model": "min-delta",
        "simulated": False,
    }


def test_the_page_with_the_rule_shows_no_result_and_is_no_look(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 30, choose=by_davidson(strengths))
    page = page_of()
    assert page.status_code == 200
    assert events(engine, LOOK) == []
    assert "840 main answers of 30 people" in words(page)
    assert "Nobody has looked at the estimate yet" in words(page)
    assert not any(name in words(page) for name in strengths)
    page_of("/look")
    assert "was looked at once so far" in words(page_of())


def test_looks_at_simulated_participants_are_noted_apart(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 25, choose=by_davidson(strengths), simulated=True)
    page = page_of("/look?simulated=yes")
    assert "These are simulated participants" in words(page)
    assert "None at people's answers" in words(page_of())
    assert [event.detail["simulated"] for event in events(engine, LOOK)] == [True]


def test_the_tab_stands_on_every_page_of_the_study(owner: FlaskClient, study_id: int) -> None:
    for rest in ("", "/figures", "/downloads", "/estimate"):
        assert (
            f'href="/research/studies/{study_id}/estimate"'
            in owner.get(f"/research/studies/{study_id}{rest}").text
        )


def test_addresses_that_name_what_the_study_does_not_have_are_not_found(page_of: Any) -> None:
    for query in ("model=max-u", "model=x", "arm=nobody", "wave=2", "wave=-1", "wave=x"):
        assert page_of(f"/look?{query}").status_code == 404


# --- what it shows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["davidson", "min-delta", "bradley-terry", "conditional-logit"])
def test_the_numbers_are_those_of_a_fit_of_the_exported_answers(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any, model: str
) -> None:
    put_people(engine, study_id, 40, choose=by_davidson(strengths), answers=10)
    page = page_of(f"/look?model={model}")
    with reading(engine) as session:
        answers = answers_of_study(session, session.get_one(StudyRow, study_id), False)
    expected = fit(choice_data(answers), Model(model))
    shown = words(page)
    for value in expected.values:
        assert f"{value:+.2f}".replace("-", "−") in shown
    assert f"{expected.log_likelihood:.1f}".replace("-", "−") in shown


def test_a_study_without_answers_says_so(page_of: Any) -> None:
    page = page_of("/look")
    assert page.status_code == 200
    assert "No estimate yet" in words(page)
    assert "Nobody has answered a main comparison yet." in words(page)


def test_one_respondent_is_not_people(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 1, choose=by_davidson(strengths))
    page = page_of("/look")
    assert page.status_code == 200
    assert "Only one participant has answered so far" in words(page)


def test_groups_that_were_never_compared_are_named(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 20, choose=by_davidson(strengths), pairs=[(0, 1), (1, 2), (0, 2), (4, 5)])
    page = page_of("/look?model=davidson")
    assert page.status_code == 200
    assert "fall into 2 groups of profiles that were never compared" in words(page)
    assert "Nobody has answered yet about" in words(page)
    assert "These groups have no common scale" in words(page)
    # Three of the three attributes do not vary within these pairs: that is said, too.
    assert page_of("/look?model=min-delta").status_code == 200


def test_answers_without_exception_are_regularized_and_the_page_says_so(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, strengths: dict[str, float]
) -> None:
    def by_rule(rng: Any, left: Any, right: Any) -> Choice:
        return Choice.LEFT if strengths[left.id] > strengths[right.id] else Choice.RIGHT

    put_people(engine, study_id, 20, choose=by_rule)
    for model in ("bradley-terry", "davidson", "min-delta", "conditional-logit"):
        page = page_of(f"/look?model={model}")
        assert page.status_code == 200
        assert "Regularized." in words(page)
    assert "YRH won every decided comparison so far" in words(page_of("/look"))


@pytest.mark.parametrize("choice", list(Choice))
def test_everybody_saying_the_same_is_no_error(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, choice: Choice
) -> None:
    put_people(engine, study_id, 20, choose=always(choice))
    for model in ("davidson", "bradley-terry", "min-delta", "conditional-logit"):
        page = page_of(f"/look?model={model}&kinds=yes")
        assert page.status_code == 200, model
    assert page_of().status_code == 200


def test_few_answers_at_every_stage_are_no_error(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    for seed in range(4):
        put_people(engine, study_id, 1, choose=by_davidson(strengths), answers=2, seed=seed)
        for model in ("davidson", "bradley-terry", "min-delta", "conditional-logit"):
            assert page_of(f"/look?model={model}").status_code == 200


def test_kinds_of_people_are_looked_for_from_twenty_on(
    engine: Engine,
    study_id: int,
    page_of: Any,
    put_people: Put,
    by_davidson: Any,
    strengths: dict[str, float],
) -> None:
    put_people(engine, study_id, 19, choose=by_davidson(strengths))
    assert "From 20 participants on" in words(page_of("/look?kinds=yes"))
    turned = {name: -value for name, value in strengths.items()}
    put_people(engine, study_id, 19, choose=by_davidson(turned), seed=1)
    page = words(page_of("/look?model=min-delta&kinds=yes"))
    assert "2 kinds explain the answers better" in page
    assert re.search(r"Kind 1, 50 %.*Kind 2, 50 %", page)


def test_nothing_on_the_page_needs_inline_style_or_script(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 25, choose=by_davidson(strengths))
    for rest in ("", "/look", "/look?kinds=yes"):
        page = page_of(rest)
        assert not re.search(r"<style|\sstyle=|<script|\son\w+=", page.text)
    assert 'role="img" aria-label="Forest plot of davidson' in page_of("/look").text


def test_ten_thousand_answers_are_shown(
    engine: Engine, study_id: int, page_of: Any, put_people: Put, by_davidson: Any, strengths: Any
) -> None:
    put_people(engine, study_id, 400, choose=by_davidson(strengths), answers=25)
    assert "10000 main answers of 400 people" in words(page_of("/look"))


# --- the stopping rule ---------------------------------------------------------------------------------

RULE = {"width": "0.9", "at_least": "20", "every": "10", "model": "davidson", "arm": ""}


def test_an_owner_states_a_rule_and_who_and_when_stand_beside_it(
    engine: Engine, study_id: int, owner: FlaskClient, page_of: Any, send: Send
) -> None:
    page = send(owner, page_of(), "/rule", **RULE)
    assert page.status_code == 200
    shown = words(page)
    assert (
        "widest 95 % interval of a log-strength is below 0.9, with at least 20 participants finished" in shown
    )
    assert "by operator, before anybody had answered and before any look" in shown
    (event,) = events(engine, "stopping rule stated")
    assert event.actor == "operator"
    assert (event.detail["width"], event.detail["at_least"], event.detail["every"]) == (0.9, 20, 10)


def test_a_viewer_may_not_state_a_rule(viewer: FlaskClient, engine: Engine, study_id: int) -> None:
    page = viewer.get(f"/research/studies/{study_id}/estimate")
    assert "State the rule" not in page.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    address = f"/research/studies/{study_id}/estimate/rule"
    assert viewer.post(address, data={**RULE, "csrf_token": token[1]}).status_code == 403
    assert viewer.post(f"{address}/withdraw", data={"csrf_token": token[1]}).status_code == 403
    assert events(engine, "stopping rule stated") == []


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("width", "0", "The width must be"),
        ("width", "nan", "The width must be"),
        ("width", "1e400", "The width must be"),
        ("width", "x", "The width must be"),
        ("at_least", "19", "The fewest participants"),
        ("at_least", "2e3", "The fewest participants"),
        ("every", "4", "between two checks"),
        ("every", "", "between two checks"),
        ("model", "max-u", "one of the models"),
        ("arm", "nobody", "one of the design's arms"),
    ],
)
def test_a_rule_that_is_none_is_refused_and_what_was_written_stays(
    engine: Engine,
    owner: FlaskClient,
    page_of: Any,
    send: Send,
    name: str,
    value: str,
    complaint: str,
) -> None:
    page = send(owner, page_of(), "/rule", **{**RULE, name: value})
    assert page.status_code == 400
    assert complaint in words(page)
    if name not in ("model", "arm"):
        assert f'name="{name}"' in page.text
        assert f'value="{value}"' in page.text
    assert events(engine, "stopping rule stated") == []


def test_it_is_checked_only_at_its_checkpoints_and_on_those_who_finished_first(
    engine: Engine,
    study_id: int,
    owner: FlaskClient,
    page_of: Any,
    send: Send,
    put_people: Put,
    by_davidson: Any,
    strengths: Any,
) -> None:
    send(owner, page_of(), "/rule", **{**RULE, "width": "0.65"})
    put_people(engine, study_id, 19, choose=by_davidson(strengths), seed=1)
    put_people(engine, study_id, 5, choose=by_davidson(strengths), seed=2, state=ParticipantState.ANSWERING)
    page_of()
    assert events(engine, "stopping rule checked") == []
    put_people(engine, study_id, 26, choose=by_davidson(strengths), seed=3)
    page_of()
    page_of("/look")
    checked = [event.detail for event in events(engine, "stopping rule checked")]
    assert [c["participants"] for c in checked] == list(range(20, 20 + 10 * len(checked), 10))
    with reading(engine) as session:
        study = session.get_one(StudyRow, study_id)
        for c in checked:
            first = choice_counts(session, study, simulated=False, first_finished=c["participants"])
            assert len(first.respondents) == c["participants"]
            width, _ = width_at_checkpoint(first, Model.DAVIDSON)
            assert c["width"] == pytest.approx(width)
            assert c["met"] == (c["width"] < 0.65)
    widths = [c["width"] for c in checked]
    assert widths == sorted(widths, reverse=True)


def test_a_rule_that_is_met_offers_to_close_the_study_and_never_closes_it_by_itself(
    engine: Engine,
    study_id: int,
    owner: FlaskClient,
    page_of: Any,
    send: Send,
    put_people: Put,
    by_davidson: Any,
    strengths: Any,
) -> None:
    send(owner, page_of(), "/rule", **{**RULE, "width": "20"})
    with writing(engine) as session:
        studies.open_study(session, session.get_one(StudyRow, study_id), now=datetime.now(UTC))
    put_people(engine, study_id, 45, choose=by_davidson(strengths))
    page = page_of()
    assert "With 20 participants the widest interval was" in words(page)
    # It is met at the first: what came later was not asked.
    assert [e.detail["participants"] for e in events(engine, "stopping rule checked")] == [20]
    with reading(engine) as session:
        assert session.get_one(StudyRow, study_id).state == "open"
    assert "The study is closed." in words(send(owner, page, "/state", state="closed"))
    assert "Close the study" not in page_of().text


def test_an_estimate_that_does_not_exist_never_meets_a_rule(
    engine: Engine, study_id: int, owner: FlaskClient, page_of: Any, send: Send, put_people: Put
) -> None:
    send(owner, page_of(), "/rule", **{**RULE, "width": "20"})
    put_people(engine, study_id, 20, choose=always(Choice.INDECISION))
    assert "no estimate" in words(page_of())
    (event,) = events(engine, "stopping rule checked")
    assert event.detail["met"] is False
    assert "width" not in event.detail
    assert "indecision" in event.detail["why"]


def test_changing_the_rule_keeps_the_old_one_and_says_what_was_known(
    engine: Engine,
    study_id: int,
    owner: FlaskClient,
    page_of: Any,
    send: Send,
    put_people: Put,
    by_davidson: Any,
    strengths: Any,
) -> None:
    send(owner, page_of(), "/rule", **RULE)
    put_people(engine, study_id, 25, choose=by_davidson(strengths))
    page_of("/look")
    shown = words(send(owner, page_of(), "/rule", **{**RULE, "width": "2"}))
    assert "when 700 answers of people were in and the estimate had been looked at once" in shown
    assert "Rules that ended" in shown
    assert "below 0.9" in shown
    shown = words(send(owner, page_of(), "/withdraw"))
    assert "No rule is in force." in shown
    assert [e.actor for e in events(engine, "stopping rule withdrawn")] == ["operator"]


def test_looks_and_rules_travel_with_the_exported_data_and_names_do_not(
    engine: Engine,
    study_id: int,
    owner: FlaskClient,
    page_of: Any,
    send: Send,
    put_people: Put,
    by_davidson: Any,
    strengths: Any,
    tmp_path: Any,
) -> None:
    send(owner, page_of(), "/rule", **{**RULE, "width": "20"})
    put_people(engine, study_id, 20, choose=by_davidson(strengths))
    page_of("/look")
    file = tmp_path / "bundle.zip"
    file.write_bytes(owner.get(f"/research/studies/{study_id}/bundle.zip").data)
    with zipfile.ZipFile(file) as bundle:
        rows = list(csv.DictReader(io.StringIO(bundle.read("events.csv").decode())))
    told = {row["what"]: json.loads(row["detail"]) for row in rows if not row["respondent"]}
    assert told["stopping rule stated"]["width"] == 20
    assert told["stopping rule checked"]["met"] is True
    assert told[LOOK]["answers"] == 560
    assert "operator" not in json.dumps(rows)


# --- the whole way -------------------------------------------------------------------------------------


def test_counts_of_a_rehearsed_study_are_those_of_its_exported_file(
    app: Flask, engine: Engine, study_id: int, settings: Settings, tmp_path: Any, owner: FlaskClient
) -> None:
    with reading(engine) as session:
        design = studies.design_of(session.get_one(StudyRow, study_id))
    with served_in_background(app) as address:
        rehearse(
            design, address, rehearsal_token=secrets_of(settings).rehearsal_token, participants=4, seed=1
        )
    file = tmp_path / "answers.csv"
    file.write_bytes(owner.get(f"/research/studies/{study_id}/answers.csv?simulated=yes").data)
    exported = choice_data(read_answers(file))
    with reading(engine) as session:
        study = session.get_one(StudyRow, study_id)
        counted = choice_data_of(choice_counts(session, study, simulated=True))
        assert stopping_rules.rules_of(session, study) == []
    assert as_table(counted) == as_table(exported)
    assert counted.n_answers == exported.n_answers > 0
    assert counted.clustering == exported.clustering
    assert counted.notes == exported.notes
    assert set(counted.profiles) == set(exported.profiles)


def as_table(data: Any) -> dict[tuple[Any, ...], float]:
    """Return {(respondent, left, right, offered, choice): times}."""
    assert data.by_cluster is not None
    table = data.by_cluster.tocoo()
    found = {}
    for row, column, times in zip(*table.coords, table.data, strict=True):
        cell, choice = divmod(int(column), 3)
        key = (data.cluster_names[row], data.names[data.left[cell]], data.names[data.right[cell]])
        found[(*key, bool(data.offered[cell]), choice)] = float(times)
    return found
