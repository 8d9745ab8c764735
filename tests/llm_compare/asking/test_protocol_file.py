from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from llm_compare.asking.protocol import Choices, RunLimits
from llm_compare.asking.protocol_file import read_protocol
from llm_compare.errors import BadProtocol
from llm_compare.prompting.plan import AttributeOrders
from llm_compare.prompting.variant import AnswerFormat, Framing, IndecisionOffer, IndecisionPlace, Marks

EXAMPLE = Path(__file__).parents[3] / "examples" / "protocols" / "kidney-variants.toml"

FULL = """
repeats = 3
arm = "with-coin"
attribute_orders = "rotated"
comparisons = 20
answers = "people/answers.csv"
seed = 5

[[model]]
model = "openai/gpt-4o"
label = "four"
temperature = 0.5
top_p = 0.9
max_tokens = 20
seed = 9
reasoning_effort = "low"
usd_per_million_in = 2.5
usd_per_million_out = 10
sends_schema = false

[[model]]
model = "scripted/coin"

[[paraphrase]]
name = "short"
question = "Who?"

[[variant]]
name = "doctor"
framing = "clinician"
persona = "a nurse"
answer_format = "json"
indecision = "cannot-decide"
language = "en"
paraphrase = "short"
marks = "numbers"
indecision_place = "first"

[limits]
budget_usd = 2
max_calls = 100
requests_per_minute = 60
tokens_per_minute = 10000
concurrency = 4
timeout_seconds = 10
"""


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a protocol and returns its path."""

    def write(text):
        path = tmp_path / "protocol.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path) -> list[str]:
    with pytest.raises(BadProtocol) as caught:
        read_protocol(path)
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def test_every_key_arrives_where_it_belongs(written, tmp_path):
    path = written(FULL)
    found = read_protocol(path)
    first, second = found.models
    assert (first.model, first.label, first.price, first.sends_schema) == (
        "openai/gpt-4o",
        "four",
        (2.5, 10.0),
        False,
    )
    assert first.choices == Choices(temperature=0.5, top_p=0.9, max_tokens=20, seed=9, reasoning_effort="low")
    assert (second.name, second.choices, second.price) == ("scripted/coin", Choices(), None)
    assert (found.repeats, found.arm, found.orders) == (3, "with-coin", AttributeOrders.ROTATED)
    assert (found.comparisons, found.answered, found.seed) == (20, tmp_path / "people" / "answers.csv", 5)
    assert found.limits == RunLimits(
        budget_usd=2.0,
        max_calls=100,
        requests_per_minute=60,
        tokens_per_minute=10_000,
        concurrency=4,
        timeout_seconds=10.0,
    )
    (asked,) = found.variants
    variant = asked.variant
    assert (variant.name, variant.framing, variant.persona) == ("doctor", Framing.CLINICIAN, "a nurse")
    assert (variant.answer_format, variant.indecision) == (AnswerFormat.JSON, IndecisionOffer.CANNOT)
    assert (variant.language, variant.marks) == ("en", Marks.NUMBERS)
    assert variant.indecision_place is IndecisionPlace.FIRST
    assert variant.paraphrase is not None
    assert variant.paraphrase.question == "Who?"


def test_the_hash_is_that_of_the_files_bytes(written):
    path = written(FULL)
    assert read_protocol(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_protocol_needs_no_more_than_a_model_and_then_asks_as_people_are_asked(written):
    found = read_protocol(written('[[model]]\nmodel = "scripted/coin"\n'))
    assert [v.variant.name for v in found.variants] == ["as-people"]
    assert (found.repeats, found.orders, found.limits) == (1, AttributeOrders.DESIGN, RunLimits())


def test_all_complaints_come_at_once_with_line_and_key(written):
    path = written(
        'repeats = 0\nrepeat = 3\n[[model]]\nmodel = "openai/x"\ntemperature = "1"\n'
        '[[variant]]\nname = "a"\nframing = "doctor"\n'
    )
    said = refused(path)
    assert [line.split(": ")[:2] for line in said] == [
        [":1", "repeats"],
        [":5", "model[1].temperature"],
        [":8", "variant[1].framing"],
        [":2", "repeat"],
    ]
    assert "'plain', 'ethicist' or 'clinician', not 'doctor'" in said[2]
    assert "is not a key that a protocol has" in said[3]


MODEL = '[[model]]\nmodel = "openai/x"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ": model: is missing"),
        (MODEL + 'usd_per_million_in = 1.0\n', ":1: model[1]: a price needs both"),
        (MODEL + 'api_base = "http://me:secret@host/v1"\n', ":3: model[1].api_base: leave name, password"),
        ('[[model]]\nmodel = "scripted/coin"\ntemperature = 1.0\n', ":1: model[1]: scripted/coin is a scripted"),
        (MODEL + MODEL, ":1: model: several models would be called openai-x"),
        (MODEL + '[[variant]]\nname = "a"\nparaphrase = "b"\n', ":5: variant[1].paraphrase: there is no"),
        (MODEL + '[factorial]\nparaphrases = ["b"]\n', ":4: factorial.paraphrases: there is no paraphrase 'b'"),
        (MODEL + '[[paraphrase]]\nname = "b"\n', ":3: paraphrase[1]: says nothing in other words"),
        (MODEL + '[[variant]]\nname = "a"\n[[variant]]\nname = "a"\n', ":3: variant: there are two variants 'a'"),
        (MODEL + '[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n', ":3: variant: variants 'a' and 'b' ask"),
        (MODEL + '[factorial]\nframings = ["plain", "plain"]\n', ": variant: there are two variants 'plain'"),
        ("repeats = [", ": is not valid TOML"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_place(written, text, complaint):
    assert any(line.startswith(complaint) for line in refused(written(text))), refused(written(text))


def test_a_missing_file_and_one_that_is_no_text_are_named(tmp_path):
    assert "name an existing protocol file" in refused(tmp_path / "none.toml")[0]
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "save it as UTF-8" in refused(tmp_path / "bytes.toml")[0]


def test_a_factorial_crosses_every_level_and_names_what_varies(written):
    found = read_protocol(
        written(
            MODEL + '[factorial]\nframings = ["plain", "ethicist"]\nanswer_formats = ["json"]\n'
            'personas = ["", "a nurse"]\ntemperatures = [0.0, 0.7]\n'
        )
    )
    asked = {v.variant.name: v for v in found.variants}
    assert list(asked) == [
        "plain+no-persona+t0",
        "plain+no-persona+t0.7",
        "plain+persona-2+t0",
        "plain+persona-2+t0.7",
        "ethicist+no-persona+t0",
        "ethicist+no-persona+t0.7",
        "ethicist+persona-2+t0",
        "ethicist+persona-2+t0.7",
    ]
    one = asked["ethicist+persona-2+t0.7"]
    assert (one.variant.framing, one.variant.persona) == (Framing.ETHICIST, "a nurse")
    assert one.choices == Choices(temperature=0.7)
    assert {v.variant.answer_format for v in found.variants} == {AnswerFormat.JSON}


def test_the_guides_example_reads(written):
    guide = (EXAMPLE.parents[2] / "docs" / "asking.md").read_text(encoding="utf-8")
    found = read_protocol(written(guide.split("```toml\n")[1].split("```")[0]))
    assert [v.variant.name for v in found.variants][:2] == ["cool", "plain+letter+own-words"]
    assert found.limits.tokens_per_minute == 200_000


def test_the_example_reads_and_has_every_combination_of_its_factorial():
    found = read_protocol(EXAMPLE)
    assert len(found.variants) == 2 * 4 * 2 + 7
    assert len({v.variant.name for v in found.variants}) == len(found.variants)
    assert {v.variant.paraphrase.name for v in found.variants if v.variant.paraphrase} == {
        "reworded",
        "scarcity",
        "short",
    }
    assert {v.variant.indecision for v in found.variants} == set(IndecisionOffer)
