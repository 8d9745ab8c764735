from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm_compare.errors import BadModel, MissingChatTemplate, NoAnswerToken
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models.chat import (
    PLAIN,
    answer_ids,
    chat_template,
    check_answers,
    prompt_ids,
    turn_end,
)
from survey.answers import Choice

END = {
    "llama-3": "<|eot_id|>",
    "qwen-3": "<|im_end|>",
    "gemma": "<end_of_turn>",
    "mistral": "</s>",
    "phi-3": "<|end|>",
}


def read(tokenizer, ids):
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def end_id(tokenizer, shape):
    return tokenizer.convert_tokens_to_ids(END[shape])


@pytest.mark.parametrize("shape", END)
def test_an_answer_is_what_the_template_itself_writes_after_the_prompt(shapes, shape):
    tokenizer = shapes.tokenizer(shape)
    template = chat_template(tokenizer, None, model=shape)
    ends = {tokenizer.eos_token_id, end_id(tokenizer, shape)}
    prompt = prompt_ids(tokenizer, template, shapes.messages)

    for text in ("A", '{"answer": "B"}', "Flip a coin"):
        ids = answer_ids(tokenizer, template, shapes.messages, text, ends=ends, model=shape)

        sent = [{"role": m.role.value, "content": m.content} for m in shapes.messages]
        if shape in ("gemma", "mistral"):
            sent = [{"role": "user", "content": f"{sent[0]['content']}\n\n{sent[1]['content']}"}]
        whole = tokenizer.apply_chat_template(
            [*sent, {"role": "assistant", "content": text}], chat_template=template, tokenize=False
        )
        alone = tokenizer.encode(whole, add_special_tokens=False)
        assert alone[: len(prompt) + len(ids)] == [*prompt, *ids]
        assert ids[-1] == end_id(tokenizer, shape)
        assert not ends & set(ids[:-1])


@pytest.mark.parametrize("shape", END)
def test_the_end_of_a_turn_is_the_template_s_and_not_the_smallest_end(shapes, shape):
    tokenizer = shapes.tokenizer(shape)

    assert turn_end(tokenizer, tokenizer.chat_template) == end_id(tokenizer, shape)


def test_models_that_can_think_first_are_told_not_to(shapes):
    tokenizer = shapes.tokenizer("qwen-3")
    template = chat_template(tokenizer, None, model="qwen-3")

    prompt = read(tokenizer, prompt_ids(tokenizer, template, shapes.messages))
    answer = answer_ids(
        tokenizer, template, shapes.messages, "A", ends=[tokenizer.eos_token_id], model="qwen-3"
    )

    assert prompt.endswith("assistant\n<think>\n\n</think>\n\n")
    assert read(tokenizer, answer) == "A<|im_end|>"


def test_a_model_that_always_thinks_cannot_be_tuned_on_answers(shapes):
    tokenizer = shapes.byte_level(template=shapes.always_thinks, bos_token="<s>", eos_token="</s>")

    assert prompt_ids(tokenizer, shapes.always_thinks, shapes.messages)
    with pytest.raises(BadModel, match="makes it think before every answer"):
        answer_ids(
            tokenizer, shapes.always_thinks, shapes.messages, "A", ends=[tokenizer.eos_token_id], model="r1"
        )


@pytest.mark.parametrize("shape", ["gemma", "mistral"])
def test_instructions_open_the_first_turn_where_a_template_refuses_a_system_message(shapes, shape):
    tokenizer = shapes.tokenizer(shape)
    text = read(tokenizer, prompt_ids(tokenizer, tokenizer.chat_template, shapes.messages))

    system, user = (m.content for m in shapes.messages)
    assert f"{system}\n\n{user}" in text


def test_instructions_are_not_lost_where_a_template_silently_leaves_them_out(shapes):
    tokenizer = shapes.tokenizer("phi-3")
    template = (
        "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['content'] + '<|end|>' }}{% endif %}"
        "{% endfor %}"
    )

    text = read(tokenizer, prompt_ids(tokenizer, template, shapes.messages))
    assert shapes.messages[0].content in text
    with pytest.raises(BadModel, match="leaves some of it out"):
        prompt_ids(tokenizer, "{{ 'hello' }}", shapes.messages)


def test_a_template_that_refuses_every_conversation_is_named_with_its_reason(shapes):
    tokenizer = shapes.tokenizer("phi-3")

    with pytest.raises(BadModel, match=r"refuses the conversation \(not today\).*--chat-template"):
        prompt_ids(tokenizer, "{{ raise_exception('not today') }}", shapes.messages)
    with pytest.raises(BadModel, match=r"refuses the conversation .*--chat-template"):
        prompt_ids(tokenizer, "{% for %}", shapes.messages)


def test_a_template_that_asks_for_the_date_is_told_the_same_every_day(shapes):
    tokenizer = shapes.tokenizer("llama-3")
    template = chat_template(tokenizer, None, model="llama-3")

    assert "Today Date: 26 Jul 2024\n" in read(tokenizer, prompt_ids(tokenizer, template, shapes.messages))


def test_the_plain_template_opens_with_the_token_that_the_tokenizer_opens_texts_with(shapes):
    opening, other = shapes.tokenizer("mistral"), shapes.tokenizer("gpt-2")

    with_it = prompt_ids(opening, chat_template(opening, PLAIN, model="m"), shapes.messages)
    without = prompt_ids(other, chat_template(other, PLAIN, model="g"), shapes.messages)

    assert with_it[0] == opening.bos_token_id
    assert other.bos_token_id not in without
    assert read(other, without) == "\n\n".join([*(m.content for m in shapes.messages), "Answer:"])


@pytest.mark.parametrize("shape", ["mistral", "gpt-2"])
def test_a_plain_answer_follows_its_space_and_ends_the_text(shapes, shape):
    tokenizer = shapes.tokenizer(shape)
    template = chat_template(tokenizer, PLAIN, model=shape)
    prompt = prompt_ids(tokenizer, template, shapes.messages)

    ids = answer_ids(
        tokenizer, template, shapes.messages, "A", ends=[tokenizer.eos_token_id, 999_999], model=shape
    )

    assert read(tokenizer, [*prompt, *ids]).endswith(f"Answer: A{tokenizer.eos_token}")
    assert ids[-1] == tokenizer.eos_token_id


def test_a_plain_answer_of_a_tokenizer_without_an_end_ends_with_the_network_s(shapes):
    tokenizer = shapes.byte_level()
    template = chat_template(tokenizer, PLAIN, model="m")

    ids = answer_ids(tokenizer, template, shapes.messages, "A", ends=[7], model="m")

    assert read(tokenizer, ids[:-1]) == " A"
    assert ids[-1] == 7


def test_a_template_that_writes_no_answers_gets_the_answer_after_its_prompt(shapes):
    tokenizer = shapes.tokenizer("qwen-3")
    template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ raise_exception('no') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )

    ids = answer_ids(tokenizer, template, shapes.messages, "A", ends=[3, tokenizer.eos_token_id], model="m")

    assert read(tokenizer, ids) == "A<|im_end|>"


def test_a_missing_template_names_the_way_out(shapes, tmp_path):
    tokenizer = shapes.tokenizer("gpt-2")

    with pytest.raises(MissingChatTemplate, match=r"gpt-2 has no chat template.*--chat-template plain"):
        chat_template(tokenizer, None, model="gpt-2")
    with pytest.raises(BadModel, match=r"nowhere\.jinja: No such file or directory; give a Jinja file"):
        chat_template(tokenizer, str(tmp_path / "nowhere.jinja"), model="gpt-2")
    file = tmp_path / "own.jinja"
    file.write_text("{{ messages[0]['content'] }}", encoding="utf-8")
    assert chat_template(tokenizer, str(file), model="gpt-2") == "{{ messages[0]['content'] }}"


def test_of_several_templates_the_default_one_is_taken(shapes):
    tokenizer = shapes.tokenizer("gpt-2")
    tokenizer.chat_template = {"tool_use": "{{ 'tools' }}", "default": "{{ 'default' }}"}

    assert chat_template(tokenizer, None, model="m") == "{{ 'default' }}"


def test_a_tokenizer_that_lacks_the_word_for_indecision_is_refused_by_that_name(tune_extra, shapes):
    from llm_compare.tuning.models.tiny_model import make_tokenizer

    lines = [line for m in shapes.messages for line in m.content.split("\n")]
    tokenizer = make_tokenizer([*lines, "A", "B"])
    answers = {Choice.LEFT: "A", Choice.RIGHT: "B", Choice.INDECISION: "C"}

    with pytest.raises(
        NoAnswerToken, match=r"answer for indecision \('C'\): .*cannot write.*--marks numbers"
    ):
        check_answers(
            tokenizer,
            tokenizer.chat_template,
            shapes.messages,
            answers,
            ends=[tokenizer.eos_token_id],
            model="tiny",
        )


def test_answers_that_read_otherwise_or_alike_are_refused(shapes):
    from tokenizers import normalizers

    def check(tokenizer, **answers):
        check_answers(
            tokenizer,
            chat_template(tokenizer, PLAIN, model="m"),
            shapes.messages,
            {Choice(name): text for name, text in answers.items()},
            ends=[tokenizer.eos_token_id],
            model="m",
        )

    with pytest.raises(NoAnswerToken, match=r"left \('A'\) and the answer for right \('A'\) alike"):
        check(shapes.tokenizer("gpt-2"), left="A", right="A")
    small = shapes.tokenizer("gpt-2")
    small.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(NoAnswerToken, match=r"cannot write the answer 'A' \(it writes 'a'\)"):
        check(small, left="A", right="B")
    check(shapes.tokenizer("gpt-2"), left="A", right="A B", indecision="C")  # One begins like the other.


def test_only_answers_of_one_token_each_can_be_told_by_their_first(shapes):
    tokenizer = shapes.tokenizer("qwen-3")

    def check(**answers):
        check_answers(
            tokenizer,
            tokenizer.chat_template,
            shapes.messages,
            {Choice(name): text for name, text in answers.items()},
            ends=[tokenizer.eos_token_id],
            model="m",
            first_token=True,
        )

    check(left="A", right="B", indecision="C")
    with pytest.raises(NoAnswerToken, match=r"indecision \('Cxyz'\).*with \d tokens.*--format letter"):
        check(left="A", right="B", indecision="Cxyz")


def test_earlier_turns_of_the_model_may_be_rewritten_by_the_template(shapes):
    tokenizer = shapes.tokenizer("qwen-3")
    turns = (
        *shapes.messages,
        Message(role=Speaker.ASSISTANT, content="A"),
        Message(role=Speaker.USER, content="And now?"),
    )

    assert "And now?" in read(tokenizer, prompt_ids(tokenizer, tokenizer.chat_template, turns))


@hypothesis_settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8))
def test_any_word_can_be_an_answer_of_a_tokenizer_that_knows_bytes(shapes, made, text):
    tokenizer, template = made
    ids = answer_ids(
        tokenizer, template, shapes.messages, text, ends=[end_id(tokenizer, "llama-3")], model="m"
    )

    assert read(tokenizer, ids) == f"{text}<|eot_id|>"


@pytest.fixture(scope="module")
def made(shapes):
    tokenizer = shapes.tokenizer("llama-3")
    return tokenizer, chat_template(tokenizer, None, model="m")
