from __future__ import annotations

import json
import shutil

import pytest

from llm_compare.tuning.models.fingerprint import adapter_hash, base_hash
from llm_compare.tuning.models.local_model import Loading, load_model


@pytest.fixture
def copy(random_base, tmp_path):
    return shutil.copytree(random_base, tmp_path / "copy")


def test_the_same_content_has_the_same_fingerprint_wherever_it_lies(random_base, copy):
    (copy / "README.md").write_text("what people wrote about it", encoding="utf-8")
    (copy / "manifest.json").write_text("{}", encoding="utf-8")

    one, other = load_model(random_base), load_model(copy)

    assert one.fingerprint == other.fingerprint
    assert one.base_fingerprint == base_hash(copy)
    assert (one.label, other.label) == ("tiny", "copy")
    assert other.name == f"copy@{other.fingerprint[:12]}"


def test_one_weight_changes_the_fingerprint(random_base, copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1e-3
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})

    assert load_model(copy).fingerprint != load_model(random_base).fingerprint


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "generation_config.json"])
def test_every_file_that_replies_depend_on_changes_the_fingerprint(random_base, copy, name):
    before = base_hash(copy)
    text = (copy / name).read_text(encoding="utf-8")
    (copy / name).write_text(text.replace("{", "{ ", 1), encoding="utf-8")

    assert base_hash(copy) != before == base_hash(random_base)


def test_template_and_type_of_numbers_are_in_a_model_s_name_but_not_in_its_base_s(random_base, tmp_path):
    template = tmp_path / "own.jinja"
    template.write_text("{{ messages[0]['content'] }}", encoding="utf-8")

    models = [
        load_model(random_base, loading=Loading(**given))
        for given in ({}, {"dtype": "bfloat16"}, {"template": str(template)}, {"template": "plain"})
    ]

    assert len({m.fingerprint for m in models}) == 4
    assert len({m.base_fingerprint for m in models}) == 1
    assert [m.dtype for m in models] == ["float32", "bfloat16", "float32", "float32"]


def test_only_the_weights_that_are_loaded_count(copy):
    before = base_hash(copy)
    (copy / "pytorch_model.bin").write_bytes(b"the same, in another format")
    assert base_hash(copy) == before

    (copy / "model.safetensors").unlink()
    assert base_hash(copy) != before


def test_an_adapter_is_known_by_its_content_and_not_by_where_its_base_lay(tmp_path):
    def written(name, config, weights=b"weights"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "adapter_model.safetensors").write_bytes(weights)
        return adapter_hash(folder)

    config = {"r": 8, "target_modules": ["q", "v"], "base_model_name_or_path": "/one"}
    one = written("one", config)

    assert (
        written("moved", {**config, "base_model_name_or_path": "/two", "target_modules": ["v", "q"]}) == one
    )
    assert written("other-rank", {**config, "r": 4}) != one
    assert written("other-weights", config, b"WEIGHTS") != one
