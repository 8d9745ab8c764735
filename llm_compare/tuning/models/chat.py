"""Conversations as a model's tokens: the chat template, and the answers that a model may give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from llm_compare.errors import BadModel, MissingChatTemplate, NoAnswerToken
from llm_compare.prompting.messages import Message, Speaker

PLAIN = "plain"
"""Names the template below."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ 'Answer: ' + message['content'] + eos_token + '\\n' }}"
    "{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"
)
"""For models that never saw a conversation: the texts one after the other."""


def chat_template(tokenizer: Any, given: str | None, *, model: str) -> str:
    """Return the template that conversations are written with.

    Parameters
    ----------
    given
        ``plain``, the path of a Jinja file, or None for the tokenizer's own.

    Raises
    ------
    MissingChatTemplate
        None was given and the tokenizer has none.
    BadModel
        The file cannot be read.
    """
    if given == PLAIN:
        return PLAIN_TEMPLATE
    if given is not None:
        try:
            return Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadModel(
                f"--chat-template {given}: {error}; give a Jinja file in UTF-8, or '{PLAIN}'"
            ) from None
    if isinstance(tokenizer.chat_template, str) and tokenizer.chat_template:
        return tokenizer.chat_template
    raise MissingChatTemplate(
        f"the tokenizer of {model} has no chat template, so nobody can tell how it writes a conversation; give "
        f"--chat-template {PLAIN} (for a model that was never tuned to converse) or a Jinja file"
    )


def prompt_ids(tokenizer: Any, template: str, messages: Sequence[Message]) -> list[int]:
    """Return the tokens of a conversation up to where the model's turn begins.

    Raises
    ------
    BadModel
        The template refuses the conversation.
    """
    import jinja2

    sent = [{"role": m.role.value, "content": m.content} for m in messages]
    try:
        return _ids(tokenizer, template, sent)
    except (jinja2.exceptions.TemplateError, TypeError) as error:
        refused = error
    # Some templates know no system message; then the instructions open the first turn.
    merged = _without_system(sent)
    if merged != sent:
        try:
            return _ids(tokenizer, template, merged)
        except (jinja2.exceptions.TemplateError, TypeError) as error:
            refused = error
    raise BadModel(
        f"the chat template refuses the conversation ({refused}); give another with --chat-template"
    )


def answer_ids(tokenizer: Any, text: str, *, ends: Iterable[int], model: str) -> list[int]:
    """Return the tokens by which a model says ``text`` and ends its turn.

    Raises
    ------
    NoAnswerToken
        The tokenizer cannot write it.
    """
    ids = list(tokenizer.encode(text, add_special_tokens=False))
    unknown = tokenizer.unk_token_id
    if not ids or (unknown is not None and unknown in ids):
        raise NoAnswerToken(
            f"the tokenizer of {model} cannot write the answer {text!r}, so nobody could tell when it is meant; "
            "use other marks (--marks numbers) or a model whose tokenizer knows it"
        )
    return [*ids, min(ends)]


def check_answers(tokenizer: Any, texts: Sequence[str], *, ends: Iterable[int], model: str) -> None:
    """Check that every offered answer can be written, and told from the others.

    Raises
    ------
    NoAnswerToken
        Naming the answer.
    """
    found: dict[tuple[int, ...], str] = {}
    for text in texts:
        ids = tuple(answer_ids(tokenizer, text, ends=ends, model=model))
        if (other := found.setdefault(ids, text)) != text:
            raise NoAnswerToken(
                f"the tokenizer of {model} writes the answers {other!r} and {text!r} alike; use other marks "
                "(--marks numbers)"
            )


def _ids(tokenizer: Any, template: str, sent: Sequence[dict[str, str]]) -> list[int]:
    text = tokenizer.apply_chat_template(
        list(sent), chat_template=template, add_generation_prompt=True, tokenize=False
    )
    # The template writes every special token itself.
    return list(tokenizer.encode(text, add_special_tokens=False))


def _without_system(sent: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    system = "\n\n".join(m["content"] for m in sent if m["role"] == Speaker.SYSTEM)
    others = [dict(m) for m in sent if m["role"] != Speaker.SYSTEM]
    if system and others and others[0]["role"] == Speaker.USER:
        others[0]["content"] = f"{system}\n\n{others[0]['content']}"
    return others if others else list(sent)
