"""Servers for tests: of a model that needs no libraries, and of a tiny one with two adapters."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import warnings
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import pytest

from llm_compare.tuning.models.prompted import Generated, Token
from llm_compare.tuning.serving.served_models import ServedModels
from llm_compare.tuning.serving.server import Server


@dataclass
class Dice:
    """Says letters that its seed draws. It has the interface of the real one, and can be told to fail or wait."""

    label: str = "dice"
    fingerprint: str = "0123456789abcdef"
    context: int | None = 50
    fails: list[Exception] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.may_end.set()

    @property
    def name(self):
        return f"{self.label}@{self.fingerprint[:12]}"

    def prompt_ids(self, messages):
        return list(range(len(messages[-1].content)))

    def continued(self, prompted):
        self.begun.set()
        assert self.may_end.wait(30)
        if self.fails:
            raise self.fails.pop(0)
        self.asked += prompted
        return [self._continued(p) for p in prompted]

    def _continued(self, prompted):
        letters = np.random.default_rng(prompted.seed).choice(list("ABCDEFGHIJ"), 6)
        told = tuple(Token(text=letter, logprob=-2.3, top={letter: -2.3, "K": -9.0}) for letter in letters)
        return Generated(
            text="".join(letters),
            finish_reason="stop",
            tokens_in=7,
            tokens_out=7,
            tokens=told if prompted.top_logprobs else (),
        )


class Client:
    """Speaks plain HTTP with a server over one connection."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def send(self, method, path, body=None, headers=None):
        given = {"content-type": "application/json", **(headers or {})}
        self.connection.request(method, path, body=body, headers=given)
        response = self.connection.getresponse()
        content = response.read()
        return response, json.loads(content) if content else None

    def ask(self, model, content="Who?", **given):
        body = {"model": model, "messages": [{"role": "user", "content": content}], **given}
        return self.send("POST", "/v1/chat/completions", json.dumps(body))


@pytest.fixture
def dice():
    return Dice()


@pytest.fixture
def dice_named():
    """Return the class of models that need no libraries."""
    return Dice


@pytest.fixture
def serving():
    """Return a function that serves models and returns the server; ``logged`` of it holds the faults."""
    with contextlib.ExitStack() as open_servers:

        def serve(*models, host="127.0.0.1", seed=0):
            logged = []
            server = open_servers.enter_context(Server(host=host, port=0, log=logged.append))
            server.start(ServedModels(models, seed=seed))
            open_servers.callback(server.stop)
            server.logged = logged
            return server

        yield serve


@pytest.fixture
def client_of():
    """Return a function that makes a client of an address."""
    with contextlib.ExitStack() as open_clients:

        def connect(address):
            client = Client(address)
            open_clients.callback(client.connection.close)
            return client

        yield connect


@pytest.fixture(scope="session")
def random_adapters(random_base, tmp_path_factory):
    """Folders of two adapters of the random base, strong enough to answer otherwise than it does."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folders = []
    for number in (1, 2):
        torch.manual_seed(number)
        network = AutoModelForCausalLM.from_pretrained(str(random_base))
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft's own.
            adapted = get_peft_model(network, config)
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.5)
        folders.append(tmp_path_factory.mktemp("adapters") / f"adapter-{number}")
        adapted.save_pretrained(str(folders[-1]))
    return tuple(folders)
