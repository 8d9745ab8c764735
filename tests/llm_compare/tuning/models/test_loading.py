from __future__ import annotations

import json
import pickle
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llm_compare.errors import BadModel, MissingChatTemplate
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models.local_model import Loading, load_model
from llm_compare.tuning.models.prompted import Prompted


@pytest.fixture
def offline(tune_extra, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # It reads the variable once, when it is imported.


@pytest.fixture
def copy(random_base, tmp_path):
    return shutil.copytree(random_base, tmp_path / "copy")


@pytest.mark.parametrize("shape", ["llama-3", "qwen-3", "gemma", "mistral", "phi-3"])
def test_models_of_every_shape_are_loaded_and_asked(shapes, tmp_path, shape):
    tokenizer = shapes.tokenizer(shape)
    network = shapes.network(shape, tokenizer, extra=7, context=512)
    ends = [tokenizer.eos_token_id]
    if shape == "llama-3":
        names = ("<|begin_of_text|>", "<|eom_id|>", "<|eot_id|>")
        ends = tokenizer.convert_tokens_to_ids(list(names))
    shapes.save(tmp_path / shape, network, tokenizer, ends=ends)

    model = load_model(tmp_path / shape)
    [found] = model.continued([Prompted(messages=shapes.messages, top_logprobs=5, max_tokens=3)])

    assert model.context == 512
    assert model.ends > set(ends) or model.ends == set(ends)
    assert model.answer_ids(shapes.messages, "A")[-1] in model.ends
    assert found.tokens_in == len(model.prompt_ids(shapes.messages))
    assert 1 <= found.tokens_out <= 3


def test_a_base_model_without_a_template_is_loaded_with_the_plain_one(shapes, tmp_path):
    tokenizer = shapes.tokenizer("gpt-2")
    folder = shapes.save(tmp_path / "gpt-2", shapes.network("gpt-2", tokenizer), tokenizer)

    with pytest.raises(MissingChatTemplate, match=r"gpt-2 has no chat template.*--chat-template plain"):
        load_model(folder)
    model = load_model(folder, loading=Loading(template="plain"))
    assert model.ends == {tokenizer.eos_token_id}


def test_a_model_without_any_end_of_turn_names_the_way_out(shapes, tmp_path):
    tokenizer = shapes.byte_level()
    folder = shapes.save(tmp_path / "endless", shapes.network("gpt-2", tokenizer), tokenizer)

    with pytest.raises(BadModel, match=r"no token that ends its turn; set eos_token"):
        load_model(folder, loading=Loading(template="plain"))


def test_a_conversation_beyond_the_context_is_refused_with_both_numbers(shapes, tmp_path):
    tokenizer = shapes.tokenizer("gpt-2")
    folder = shapes.save(tmp_path / "short", shapes.network("gpt-2", tokenizer, context=40), tokenizer)
    model = load_model(folder, loading=Loading(template="plain"))
    short = (Message(role=Speaker.USER, content="A"),)
    fits = 40 - len(model.prompt_ids(short))

    assert model.continued([Prompted(messages=short, max_tokens=fits)])
    with pytest.raises(BadModel, match=r"41 tokens.*longer than short can read \(40\)"):
        model.continued([Prompted(messages=short, max_tokens=fits + 1)])


def test_what_is_no_model_is_named_with_what_would_be(tmp_path, random_base, copy, offline):
    empty = tmp_path / "empty"
    empty.mkdir()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    for source, words in (
        (tmp_path / "nowhere", "is no folder"),
        ("./nowhere", "is no folder"),
        (empty, "holds no config.json"),
        (adapter, r"is an adapter, not a model.*--adapter"),
        ("someone/unknown-model", r"not lie in the hub's cache.*HF_HUB_OFFLINE.*local folder"),
        ("no such name at all", "local folder|hub"),
    ):
        with pytest.raises(BadModel, match=words):
            load_model(source)


def test_weights_that_are_missing_are_never_random(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights = {name: w for name, w in weights.items() if "q_proj" not in name}
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BadModel, match=r"q_proj\.weight are missing from the weights and would be random"):
        load_model(copy)


@pytest.mark.parametrize("damage", ["truncated", "no weights", "no tokenizer", "no model type", "bad json"])
def test_a_damaged_folder_is_refused_without_a_traceback(copy, damage):
    if damage == "truncated":
        whole = (copy / "model.safetensors").read_bytes()
        (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    elif damage == "no weights":
        (copy / "model.safetensors").unlink()
    elif damage == "no tokenizer":
        (copy / "tokenizer.json").unlink()
    elif damage == "bad json":
        (copy / "config.json").write_text("{", encoding="utf-8")
    else:
        (copy / "config.json").write_text("{}", encoding="utf-8")

    with pytest.raises(BadModel, match=r"is no causal language model that can be read \(.+\); name a folder"):
        load_model(copy)


def test_code_that_comes_with_a_model_is_never_run(copy):
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config |= {
        "model_type": "own",
        "auto_map": {"AutoModelForCausalLM": "own.Own", "AutoConfig": "own.Config"},
    }
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (copy / "own.py").write_text("raise SystemExit('ran')", encoding="utf-8")

    with pytest.raises(BadModel, match=r"comes with code of its own, and no such code is run here"):
        load_model(copy)


def test_pickled_weights_that_would_run_code_are_refused(copy, tmp_path):
    mark = tmp_path / "ran"

    class Harmful:
        def __reduce__(self):
            return (Path.touch, (mark,))

    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Harmful()}))

    with pytest.raises(BadModel, match="is no causal language model that can be read"):
        load_model(copy)
    assert not mark.exists()


def test_pytorch_files_that_hold_tensors_alone_are_read(random_base, copy, requests_of):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    asked = [Prompted(messages=requests_of(1)[0].messages, top_logprobs=3)]

    assert load_model(copy).continued(asked) == load_model(random_base).continued(asked)


@pytest.fixture
def cache(tune_extra, monkeypatch, tmp_path):
    """Give the hub's cache of this test's own, where its client looks for it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def name_the_hub(monkeypatch, address):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(cache, monkeypatch):
    """Run a server in the hub's place that answers as the test says."""
    from huggingface_hub import constants

    class Answers(BaseHTTPRequestHandler):
        status, headers_sent = 404, {}

        def do_GET(self):
            self.send_response(self.status)
            for name, value in self.headers_sent.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Its client tries again a few times.
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    name_the_hub(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield Answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_in_the_hub_s_cache_is_known_by_its_content(random_base, cache, offline):
    commit = "a" * 40
    repository = cache / "models--someone--tiny"
    shutil.copytree(random_base, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")

    model = load_model("someone/tiny")

    assert model.name == load_model(random_base).name


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, r"accepted its terms.*hf auth login.*HF_TOKEN.*local folder"),
        (404, {"X-Error-Code": "RepoNotFound"}, r"knows no model of this name.*check the name"),
        (404, {"X-Error-Code": "EntryNotFound"}, r"holds no config.json on the hub"),
        (500, {}, r"the model hub cannot be reached.*local folder"),
    ],
)
def test_what_the_hub_refuses_is_said_with_the_way_out(hub, status, headers, words):
    hub.status, hub.headers_sent = status, headers

    with pytest.raises(BadModel, match=rf"^someone/model: .*{words}"):
        load_model("someone/model")


def test_a_hub_that_cannot_be_reached_is_said_with_the_way_out(cache, hub, monkeypatch):
    name_the_hub(monkeypatch, "http://127.0.0.1:9")

    with pytest.raises(BadModel, match=r"model hub cannot be reached \(.+\); name a local folder"):
        load_model("someone/model")
