from __future__ import annotations

import gc
import http.client
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

from flask import Flask

from survey.config import Settings
from survey.serving import served_in_background, service
from survey.serving_worker import ThreadsThatEnd


def test_a_server_in_the_background_can_be_stopped_while_it_is_asked(app: Flask) -> None:
    def ask(host: str) -> None:
        for _ in range(3):
            connection = http.client.HTTPConnection(host, timeout=3)
            try:
                connection.request("GET", "/static/compare.js")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass  # Cut off: the server is being stopped.
            finally:
                connection.close()

    for round_ in range(30):
        with served_in_background(app) as url:
            askers = [threading.Thread(target=ask, args=[urlsplit(url).netloc]) for _ in range(6)]
            for asker in askers:
                asker.start()
            time.sleep(0.01 * (round_ % 4))
        for asker in askers:
            asker.join()


def test_a_worker_that_is_giving_a_thread_work_ends_all_the_same_when_told_to() -> None:
    worker = ThreadsThatEnd.__new__(ThreadsThatEnd)  # Without a socket and the process that started it.
    worker.cfg = SimpleNamespace(worker_int=lambda _worker: None)
    ended = []

    def interrupted() -> None:
        with ThreadPoolExecutor(1) as worker.tpool, worker.tpool._shutdown_lock:
            try:
                worker.handle_quit(signal.SIGINT, None)
            except SystemExit as error:
                ended.append(error.code)

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(30)
    assert ended == [0]


def test_a_service_keeps_its_beginnings_out_of_garbage_collections(settings: Settings) -> None:
    frozen = gc.get_freeze_count()
    try:
        app = service(settings)
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
    assert app.test_client().get("/healthz").status_code == 200
    app.extensions["equipoise"].engine.dispose()
