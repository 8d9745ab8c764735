"""The researcher's pages of simulations, with the real command in background."""

from __future__ import annotations

import json
import os
import re
import signal
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from exchange.experiment.experiment_file import PRESETS, experiment_names
from exchange.jobs.job import read_job
from exchange.pool_file import pool_text
from exchange.pool_generator import generate_pool
from exchange.simulation.scenario_file import preset
from exchange.simulation.scenario_text import scenario_text
from survey.app import create_app
from survey.config import load_settings, secrets_of
from survey.db import reading, writing
from survey.design_file import EXAMPLES, example_design
from survey.store import studies
from survey.tables import EventRow

Sent = Callable[[str, str | bytes], Any]
Words = Callable[[TestResponse], str]

LIST, NEW = "/research/simulations", "/research/simulations/new"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG = {"days": "365", "n_seeds": "40"}
"""Changes that make an experiment run until it is stopped."""


def events(engine: Engine, what: str) -> list[EventRow]:
    with reading(engine) as session:
        return list(session.scalars(select(EventRow).where(EventRow.what == what).order_by(EventRow.id)))


def links(page: TestResponse) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]*)"', page.text)]


# --- who may do what -----------------------------------------------------------------------------------


def test_strangers_are_sent_to_sign_in_and_change_nothing(done: Any) -> None:
    site, path, _ = done
    stranger: FlaskClient = site.app.test_client()
    for address in (LIST, NEW, path, f"{path}/progress", f"{path}/everything.zip", f"{path}/files/log.txt"):
        answer = stranger.get(address)
        assert (answer.status_code, "/sign-in" in answer.headers["Location"]) == (303, True), address
    for address in (NEW, f"{path}/start", f"{path}/stop", f"{path}/delete"):
        assert stranger.post(address).status_code == 400, address  # No token of a form.
    assert site.state(path) == "done"


def test_a_form_without_its_token_is_refused(site: Any) -> None:
    assert site.client.post(NEW, data={"kind": "own"}).status_code == 400
    assert not site.root.exists()


def test_viewers_may_look_and_not_add_start_or_delete(site: Any, viewer: Any, words: Words) -> None:
    # The operator's session ended when there were accounts; what was added before is in the folder.
    owner = site.app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]*)"', owner.get("/research/sign-in").text)
    assert token
    secret = {"csrf_token": token[1], "name": "olga", "password": "a viewer's good password"}
    assert owner.post("/research/sign-in", data=secret).status_code == 303
    site.client = owner
    path = site.added()

    assert "A small experiment" in viewer.get(LIST).text
    page = viewer.get(path)
    assert "Ready to start" in words(page)
    assert "Owners can start it" in words(page)
    assert not re.search(r'action="[^"]*/(start|stop|delete)"', page.text)
    assert NEW not in links(viewer.get(LIST))
    assert viewer.get(f"{path}/everything.zip").status_code == 200
    assert viewer.get(NEW).status_code == viewer.get(f"{path}/delete").status_code == 403
    for ending in ("/start", "/stop", "/delete"):
        answer = viewer.post(f"{path}{ending}", sure="yes")
        assert (answer.status_code, "are for owners" in words(answer)) == (403, True), ending
    assert viewer.new().status_code == 403
    assert site.state(path) == "ready"
    assert len([file for file in site.root.iterdir() if file.name != ".lock"]) == 1


# --- from the form to the ZIP --------------------------------------------------------------------------


def test_what_is_added_waits_and_says_how_long_it_will_take(site: Any, engine: Engine, words: Words) -> None:
    path = site.added()
    said = words(site.get(path))
    assert "4 runs: roughly less than a minute with 1 process" in said
    assert "2 (7-8)" in said
    assert site.state(path) == "ready"
    assert [event.detail["title"] for event in events(engine, "simulation added")] == ["A small experiment"]
    assert "A small experiment" in words(site.get(LIST))


def test_an_experiment_of_the_form_ends_with_findings_pictures_and_tables(done: Any, words: Words) -> None:
    site, path, engine = done
    page = site.get(path)
    said = words(page)
    assert "What 30 days do <b>" in said
    assert "<b>" not in page.text
    assert "against equal" in said
    report = (site.folder(path) / "results/report.html").read_text()
    pictures = re.findall(r'<img src="([^"]*)" alt="([^"]*)"', page.text)
    assert len(pictures) == report.count("<svg") >= 5
    assert all(len(alt) > 30 for _, alt in pictures)
    # Every table of the chapters that are shown, and a title of each picture as the report has it.
    shown = report[report.index("<h2>Findings") : report.index("<h2>Methods")]
    shown = shown[: shown.index("<h2>What was simulated")] + shown[shown.index("<h2>Results") :]
    assert page.text.count("<caption>") == shown.count("<caption>") > 5
    assert page.text.count("The numbers in this picture") == len(pictures)
    titles = [unescape(title) for title in re.findall(r"<title id=[^>]*>([^<]*)</title>", report)]
    assert [unescape(alt).startswith(title) for (_, alt), title in zip(pictures, titles, strict=True)] == [
        True
    ] * len(pictures)
    for source, _ in pictures:
        picture = site.get(source)
        assert (picture.status_code, picture.mimetype) == (200, "image/svg+xml")
        assert picture.data.startswith(b"<svg")
    # Other tests start others in this service.
    started = [event.detail["simulation"] for event in events(engine, "simulation started")]
    assert started.count(path.rsplit("/", 1)[1]) == 1


def test_each_kind_of_people_and_every_donor_is_a_condition(done: Any, words: Words) -> None:
    site, path, _ = done
    summary = json.loads((site.folder(path) / "results/summary.json").read_text())
    assert [condition["name"] for condition in summary["conditions"]] == [
        "equal",
        "priority-after-cardinality, freedman2020-profiles",
        "priority-after-cardinality, people, by donor",
        "priority-after-cardinality, people, class 1",
        "priority-after-cardinality, people, class 2",
    ]
    assert summary["baseline"] == "equal"
    assert summary["seeds"] == [7, 8]
    # Donors have preferences, so ranks are counted.
    assert "average_rank" in {row["measure"] for row in summary["outcomes"]}


def test_the_zip_holds_every_file_and_nothing_else(done: Any) -> None:
    site, path, engine = done
    answer = site.get(f"{path}/everything.zip")
    assert answer.mimetype == "application/zip"
    archive = zipfile.ZipFile(BytesIO(answer.data))
    assert archive.testzip() is None
    top = f"simulation-{path.rsplit('/', 1)[1]}"
    folder = site.folder(path)
    expected = {
        f"{top}/{file.relative_to(folder)}": file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name not in ("job.json", "process.json")
    }
    assert {name: archive.read(name) for name in archive.namelist()} == expected
    assert {f"{top}/results/report.html", f"{top}/inputs/people-1.json", f"{top}/log.txt"} <= set(expected)
    assert events(engine, "simulation downloaded")


def test_every_file_that_is_listed_can_be_taken(done: Any) -> None:
    site, path, _ = done
    files = [link for link in links(site.get(path)) if "/files/" in link]
    assert len(files) > 20
    for link in dict.fromkeys(files):
        answer = site.get(link)
        assert answer.status_code == 200, link
        assert answer.data == (site.folder(path) / link.split("/files/")[1]).read_bytes()
        to_look_at = link.endswith((".svg", ".html"))
        assert answer.headers["Content-Disposition"].startswith("inline" if to_look_at else "attachment")
        # What a run made may do nothing as this site.
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_no_address_leads_out_of_what_is_listed(done: Any, tmp_path: Path) -> None:
    site, path, _ = done
    folder = site.folder(path)
    link = folder / "results" / "link.csv"
    link.symlink_to(site.settings.state_dir / "secret_key")
    try:
        for name in (
            "../../../secret_key",
            "results/../../../../secret_key",
            "..%2F..%2F..%2Fsecret_key",
            "%2e%2e/%2e%2e/%2e%2e/secret_key",
            f"{folder}/log.txt",
            f"/{folder}/log.txt",
            "job.json",
            "process.json",
            "results",
            "results/",
            "results/link.csv",
            "",
        ):
            # Two slashes are led to the address with one.
            answer = site.client.get(f"{path}/files/{name}", follow_redirects=True)
            assert answer.status_code == 404, name
        zipped = zipfile.ZipFile(BytesIO(site.get(f"{path}/everything.zip").data))
        assert not any(name.endswith("link.csv") for name in zipped.namelist())
    finally:
        link.unlink()
    for job_id in ("..", "%2e%2e", ".", "0" * 12, "A" * 12, "0" * 13, ".lock", f"..%2f{folder.name}"):
        for ending in ("", "/progress", "/files/log.txt", "/everything.zip"):
            assert site.get(f"{LIST}/{job_id}{ending}").status_code in (404, 308), (job_id, ending)


def test_a_published_experiment_is_run_as_it_ships_with_other_seeds_and_days(site: Any, words: Words) -> None:
    page = site.get(NEW)
    assert [f'value="{name}"' in page.text for name in experiment_names()] == [True] * 3
    path = site.added(
        kind="shipped", experiment="freedman2020-orders", title=None, n_seeds="3", first_seed="100", days="10"
    )
    said = words(site.get(path))
    assert "Order-preserving and order-breaking weights" in said
    assert "24 runs" in said
    written = (site.folder(path) / "inputs/experiment.toml").read_text()
    assert written == (PRESETS / "freedman2020-orders.toml").read_text()
    job = read_job(site.folder(path))
    assert job is not None
    assert job.arguments[-4:] == ["--seeds", "100-102", "--days", "10"]
    assert len(job.about.conditions) == 8


def test_a_scenario_and_a_pool_of_ones_own_and_a_study_of_the_service(
    site: Any, engine: Engine, sent: Sent, words: Words
) -> None:
    with writing(engine) as session:
        text = (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8")
        study = studies.add_study(session, text.replace('slug = "kidney-8"', 'slug = "ours"'), now=NOON).id
    pool = generate_pool(example_design("kidney-8"), n_pairs=12, n_ndds=0, seed=1)
    path = site.added(
        study=f"study-{study}",
        scenario=None,
        scenario_file=sent(
            "hours.toml", scenario_text(preset("unos-weekly")).replace("chain_cap = 4", "chain_cap = 2")
        ),
        pool_file=sent("Our Pool.JSON", pool_text(pool)),
        policy=["robust"],
        weights=None,
    )
    inputs = site.folder(path) / "inputs"
    assert sorted(file.name for file in inputs.iterdir()) == ["experiment.toml", "pool.json", "study.toml"]
    site.post(f"{path}/start")
    assert site.finished(path) == "done"
    scenario = (site.folder(path) / "results/scenario-1.toml").read_text()
    assert "chain_cap = 2" in scenario
    assert 'file = "pool.json"' in scenario
    said = words(site.get(path))
    assert "hours; 30 days" in said
    report = (site.folder(path) / "results/report.html").read_text()
    assert "12 pairs" in report


# --- going on, stopping, deleting ----------------------------------------------------------------------


def test_a_killed_process_is_noticed_by_all_and_goes_on_where_it_was(
    site: Any, engine: Engine, words: Words
) -> None:
    path = site.added(**LONG)
    folder = site.folder(path)
    # Another process of the same service sees the same: there is nothing but files.
    other = create_app(site.settings, engine).test_client()
    other.get(f"/research/?token={secrets_of(site.settings).research_token}")
    site.post(f"{path}/start")
    site.wait(path, lambda progress: progress["done"] >= 2)
    assert other.get(f"{path}/progress").json["state"] == "running"
    page = other.get(path)
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert "progress.js" in page.text

    pid = json.loads((folder / "process.json").read_text())["pid"]
    os.killpg(pid, signal.SIGKILL)
    assert site.finished(path) == "interrupted"
    said = words(other.get(path))
    assert "Interrupted: go on" in said
    assert "noscript" not in other.get(path).text
    runs = {file.name: file.stat().st_mtime_ns for file in (folder / "results/runs").iterdir()}
    assert len(runs) >= 2

    site.post(f"{path}/start")
    site.wait(path, lambda progress: progress["done"] > len(runs))
    assert "Stopping" in words(site.post(f"{path}/stop"))
    assert site.finished(path) == "stopped"
    after = {file.name: file.stat().st_mtime_ns for file in (folder / "results/runs").iterdir()}
    # None of the runs that were kept was computed again.
    assert {name: after[name] for name in runs} == runs
    assert f"{len(after)} of 80 runs are kept" in words(site.get(path))
    assert [event.detail["title"] for event in events(engine, "simulation stopped")] == ["A small experiment"]


def test_no_more_run_at_once_than_may_and_what_runs_is_not_deleted(
    site: Any, engine: Engine, words: Words
) -> None:
    first, second = site.added(title="The first", **LONG), site.added(title="The second")
    site.post(f"{first}/start")
    answer = site.post(f"{second}/start")
    assert "“The first” is running, and 1 may run at once here" in words(answer)
    assert site.state(second) == "ready"
    assert "running already" in words(site.post(f"{first}/start"))
    assert len(events(engine, "simulation started")) == 1

    assert "stop it first" in words(site.post(f"{first}/delete", sure="yes"))
    assert site.state(first) == "running"
    # Twice: at once.
    site.post(f"{first}/stop")
    site.post(f"{first}/stop")
    assert site.finished(first) == "stopped"

    assert "Delete this experiment?" in words(site.get(f"{first}/delete"))
    assert site.post(f"{first}/delete").status_code == 400
    assert "“The first” is deleted" in words(site.post(f"{first}/delete", sure="yes"))
    assert site.get(first).status_code == 404
    assert [file.name for file in site.root.iterdir() if file.name != ".lock"] == [second.rsplit("/", 1)[1]]
    assert [event.detail["title"] for event in events(engine, "simulation deleted")] == ["The first"]


def test_as_many_run_at_once_as_the_settings_say(site: Any, engine: Engine) -> None:
    settings = load_settings(
        {"EQUIPOISE_EXPERIMENTS_AT_ONCE": "2"}, state_dir=site.settings.state_dir, log_level="error"
    )
    site.app = create_app(settings, engine)
    site.client = site.app.test_client()
    site.client.get(f"/research/?token={secrets_of(settings).research_token}")
    paths = [site.added(**LONG) for _ in range(3)]
    for path in paths:
        site.post(f"{path}/start")
    assert [site.state(path) for path in paths] == ["running", "running", "ready"]


def test_the_process_gets_none_of_the_services_secrets(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_SECRET_KEY", "a secret key of the tests, long enough for any use")
    monkeypatch.setenv("HARMLESS", "yes")
    path = site.added(**LONG)
    site.post(f"{path}/start")
    process = json.loads((site.folder(path) / "process.json").read_text())
    site.wait(path, lambda progress: progress["done"] > 0)
    environment = Path(f"/proc/{process['pid']}/environ")
    if not environment.exists():
        pytest.skip("this system does not tell what a process was given")
    given = environment.read_bytes()
    assert b"HARMLESS=yes" in given
    assert b"EQUIPOISE_" not in given
    assert os.getsid(process["pid"]) == process["pid"]
    assert os.getpriority(os.PRIO_PROCESS, process["pid"]) > os.getpriority(os.PRIO_PROCESS, 0)


def test_what_cannot_be_computed_fails_and_says_why(site: Any, words: Words) -> None:
    path = site.added()
    (site.folder(path) / "inputs/experiment.toml").write_text("seeds = [1]\n")
    site.post(f"{path}/start")
    assert site.finished(path) == "failed"
    said = words(site.get(path))
    assert "It failed" in said
    assert "conditions" in said
    assert "Traceback" not in said


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"title": " \u200b "}, "Give the experiment a title"),
        ({"policy": None}, "Choose at least one policy"),
        ({"policy": ["greatest-arc-weight"]}, "Choose at least one policy"),
        ({"weights": None}, "Policy priority-after-cardinality needs weights"),
        ({"policy": ["equal"]}, "none of the policies looks at weights"),
        ({"weights": ["../../secret_key"]}, "needs weights"),
        ({"study": "../../secret_key"}, "Choose the study"),
        ({"study": "study-77"}, "Choose the study"),
        ({"study": "kidney-numeric"}, "weights"),
        ({"scenario": "nowhere"}, "Choose one of the scenarios"),
        ({"scenario": "../experiments/freedman2020-orders"}, "Choose one of the scenarios"),
        ({"kind": "shipped", "experiment": "../../secret_key"}, "Choose one of the experiments"),
        ({"n_seeds": "0"}, "Number of seeds: give a whole number from 1 to 10,000"),
        ({"n_seeds": "²"}, "Number of seeds"),
        ({"n_seeds": "9" * 5000}, "Number of seeds"),
        ({"first_seed": "-1"}, "First seed"),
        ({"days": "0"}, "Days: give a whole number from 1 to 36,525"),
        ({"workers": "1000"}, "Processes: give a whole number from 1 to"),
        ({"workers": ""}, "Processes"),
    ],
)
def test_choices_that_make_no_experiment_are_refused_with_words(
    site: Any, words: Words, changes: dict[str, Any], complaint: str
) -> None:
    answer = site.new(**changes)
    assert answer.status_code == 400
    assert complaint in words(answer)
    assert "Nothing was added" in words(answer)
    assert not [file.name for file in site.root.iterdir()]


@pytest.mark.parametrize(
    ("field", "name", "content", "complaint"),
    [
        ("weights_file", "my weights.json", "{", "my weights.json: is not JSON"),
        ("weights_file", "deep.json", "[" * 100_000, "deep.json: is not JSON"),
        ("weights_file", "long.json", "9" * 10_000, "long.json: is not JSON"),
        ("weights_file", "bytes.json", b"\xff\xfe\x00", "bytes.json: is not JSON"),
        ("weights_file", "other.json", '{"format": "x"}', "other.json: is not a weights file"),
        (
            "weights_file",
            "of.json",
            '{"format": "equipoise-weights", "format_version": 99}',
            "format_version 99",
        ),
        ("weights_file", "few.json", '{"format": "equipoise-people"}', "few.json: has no population"),
        ("scenario_file", "s.toml", "days = ", "s.toml: not valid TOML"),
        ("scenario_file", "s.toml", b"\xff", "s.toml: not UTF-8 text"),
        ("scenario_file", "s.toml", "x = " + "[" * 5_000, "nested more than"),
        (
            "scenario_file",
            "s.toml",
            'preset = "freedman2020"\ndays = 0\nrenege = 2.0',
            "s.toml:2: days: 0 days",
        ),
        ("scenario_file", "s.toml", 'preset = "freedman2020"\nspeed = 1', "s.toml:2: speed"),
        ("scenario_file", "s.toml", 'days = 3\n[first_pool]\nfile = "/etc/passwd"', "may not name others"),
        ("scenario_file", "s.toml", 'days = 3\n[profiles]\nfile = "../job.json"', "may not name others"),
        ("scenario_file", "s.toml", 'arrivals.numbers_file = "/etc/passwd"', "may not name others"),
        ("scenario_file", "s.toml", '[ndd_arrivals]\nnumbers_file = "/etc/passwd"', "may not name others"),
        ("pool_file", "pool.xml", "<data/>", "Pool: send one pool file"),
        ("pool_file", "pool.json.gz", b"\x1f\x8b", "Pool: send one pool file"),
        ("pool_file", "our pool.json", "{", "our pool.json"),
        ("pool_file", "our pool.json", "[" * 100_000, "our pool.json"),
        ("pool_file", "our.pairs.csv", "id\n1\n", "our.arcs.csv: there is no such file"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_their_readers(
    site: Any, sent: Sent, words: Words, field: str, name: str, content: str | bytes, complaint: str
) -> None:
    answer = site.new(**{field: sent(name, content)})
    said = words(answer)
    assert answer.status_code == 400
    assert complaint in said
    assert str(site.settings.state_dir) not in said
    assert "/etc/passwd" not in said or "root:" not in said
    assert not [file.name for file in site.root.iterdir()]


def test_a_pool_is_one_file_with_those_beside_it(site: Any, sent: Sent, words: Words) -> None:
    both = [sent("a.json", "{}"), sent("b.json", "{}")]
    assert "send one pool file" in words(site.new(pool_file=both))
    foreign = [sent("a.json", "{}"), sent("a.dat", "")]
    assert "a.dat does not belong" in words(site.new(pool_file=foreign))


def test_all_complaints_are_shown_and_choices_stay(site: Any, words: Words) -> None:
    answer = site.new(title="", n_seeds="x", policy=["robust", "equal"], weights=None, scenario="unos-weekly")
    assert "2 problems" in words(answer)
    assert 'value="robust" checked' in answer.text
    assert 'value="unos-weekly" checked' in answer.text
    assert 'value="priority-after-cardinality" checked' not in answer.text
    assert 'value="x"' in answer.text


def test_names_of_files_are_shown_and_never_paths(site: Any, sent: Sent, people: Any, words: Words) -> None:
    names = [
        "../../../evil.json",
        "/etc/cron.d/evil.json",
        "{policy}{weights}.json",
        "\x1b[31m\u202e.json",
        ".json",
    ]
    path = site.added(weights=None, weights_file=[sent(name, people()) for name in names])
    inputs = site.folder(path) / "inputs"
    assert sorted(file.name for file in inputs.iterdir()) == [
        "experiment.toml",
        *(f"people-{i}.json" for i in range(1, 6)),
    ]
    assert not list(site.settings.state_dir.parent.rglob("evil*"))
    conditions = json.loads((site.folder(path) / "job.json").read_text())["conditions"]
    assert len(conditions) == len(set(conditions)) == 6
    assert not [name for name in conditions if not name.isprintable()]


def test_what_is_too_large_is_refused(site: Any, words: Words) -> None:
    answer = site.client.post(
        NEW, data=b"x" * 2_100_000, content_type="multipart/form-data; boundary=b", buffered=True
    )
    assert answer.status_code == 413
    assert "too large" in words(answer)
