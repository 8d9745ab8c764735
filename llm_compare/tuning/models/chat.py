"""Conversations as a model's tokens: the chat template, and the answers that a model may give."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_compare.errors import BadModel, MissingChatTemplate, NoAnswerToken
from llm_compare.prompting.messages import Message, Speaker
from survey.answers import Choice

PLAIN = "plain"
"""Names the template below."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ 'Answer: ' + message['content'] + (eos_token or '') + '\\n' }}"
    "{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"
)
"""For models that never saw a conversation: the texts one after the other."""
TODAY = datetime.date(2024, 7, 26)
"""What a template is told that asks for the date: the day that Llama 3.1's own template falls back on. With the
real date a model would be asked something else tomorrow."""

_DATE = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
_MARKS_OUT = "use other marks (--marks numbers) or a model whose tokenizer knows it"


def chat_template(tokenizer: Any, given: str | None, *, model: str) -> str:
    """Return the template that conversations are written with. Dates in it are fixed (:data:`TODAY`).

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
        # Llama and Gemma expect the token that opens every text; GPT-2 and Pythia do not.
        opens = tokenizer.bos_token is not None and _opening(tokenizer) == tokenizer.bos_token_id
        return ("{{ bos_token }}" if opens else "") + PLAIN_TEMPLATE
    if given is not None:
        try:
            return _dated(Path(given).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not text in UTF-8"
            raise BadModel(
                f"--chat-template {given}: {why}; give a Jinja file in UTF-8, or '{PLAIN}'"
            ) from None
    own = tokenizer.chat_template
    if isinstance(own, Mapping):  # Several by name; the others are for tools.
        own = own.get("default")
    if isinstance(own, str) and own:
        return _dated(own)
    raise MissingChatTemplate(
        f"the tokenizer of {model} has no chat template, so nobody can tell how it writes a conversation; give "
        f"--chat-template {PLAIN} (for a model that was never tuned to converse) or a Jinja file"
    )


def prompt_ids(tokenizer: Any, template: str, messages: Sequence[Message]) -> list[int]:
    """Return the tokens of a conversation up to where the model's turn begins.

    Models that can be told not to think before they answer (``enable_thinking``) are told so. Where a template
    knows no system message, its text opens the first turn.

    Raises
    ------
    BadModel
        The template refuses the conversation, or leaves some of it out, or the tokenizer does not know its words.
    """
    text = _prompt(tokenizer, template, messages)[1]
    ids = _ids(tokenizer, text)
    # Some tokenizers that know every word have an unknown token in name, which opens a text.
    unknown = tokenizer.unk_token_id
    if unknown in ids and unknown not in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        raise BadModel(
            f"the model's tokenizer does not know {_unknown_words(tokenizer, text)}, and what a model reads as "
            "unknown it answers by chance; take a model that knows these words (a tiny base reads only the designs "
            "that it was made for: name this design, too, in 'compare tune base')"
        )
    return ids


def answer_ids(
    tokenizer: Any,
    template: str,
    messages: Sequence[Message],
    text: str,
    *,
    ends: Iterable[int],
    model: str,
) -> list[int]:
    """Return the tokens by which a model answers ``messages`` with ``text`` and ends its turn.

    They are what the template itself writes after the prompt: with the space before the answer, and with the end
    of turn that it uses (a model may know several).

    Parameters
    ----------
    ends
        Tokens that end the model's turn.
    model
        What to call it in an error.

    Raises
    ------
    NoAnswerToken
        The tokenizer cannot write it.
    BadModel
        The template refuses the conversation, or makes the model think before every answer.
    """
    sent, prompt = _prompt(tokenizer, template, messages)
    if prompt.rfind("<think>") > prompt.rfind("</think>"):
        raise BadModel(
            f"the chat template of {model} makes it think before every answer, and people's answers hold no "
            "thoughts to tune on; take a model that also answers at once, or another template (--chat-template)"
        )
    given = _ids(tokenizer, prompt)
    whole = _whole(tokenizer, template, [*sent, _said(text)])
    if whole is not None and whole.startswith(prompt):
        ids = _ids(tokenizer, whole)
        # Where the answer melts into the last token of the prompt, it is written on its own: a model that is asked
        # has that last token behind it.
        ids = ids[len(given) :] if ids[: len(given)] == given else _ids(tokenizer, whole[len(prompt) :])
    else:
        ids = _ids(tokenizer, text)
    stops = frozenset(ends)
    last = next((i for i, token in enumerate(ids) if token in stops), None)
    if last is None:
        # A template that writes no end (or the prompt's twin did not fit): the end it writes elsewhere, if any.
        end = turn_end(tokenizer, template)
        own = [end, tokenizer.eos_token_id, min(stops)]
        ids = [*_trimmed(tokenizer, ids, text), next(e for e in own if e in stops)]
    else:
        ids = ids[: last + 1]
    read = _read(tokenizer, ids[:-1])
    if read != text.strip() or tokenizer.unk_token_id in ids[:-1]:
        raise NoAnswerToken(
            f"the tokenizer of {model} cannot write the answer {text!r} (it writes {read!r}), so nobody could tell "
            f"when it is meant; {_MARKS_OUT}"
        )
    return ids


def check_answers(
    tokenizer: Any,
    template: str,
    messages: Sequence[Message],
    answers: Mapping[Choice, str],
    *,
    ends: Iterable[int],
    model: str,
    first_token: bool = False,
) -> None:
    """Check that a model can give every offered answer to ``messages``, and that they can be told apart.

    Parameters
    ----------
    answers
        What the model says to give each choice.
    first_token
        Whether the probabilities of the first token are read. Then each answer must be one token, its own.

    Raises
    ------
    NoAnswerToken
        Naming the answer; indecision by this word.
    """
    found: dict[tuple[int, ...], tuple[Choice, str]] = {}
    for choice, text in answers.items():
        said = _called(choice, text)
        try:
            ids = answer_ids(tokenizer, template, messages, text, ends=ends, model=model)
        except NoAnswerToken as error:
            raise NoAnswerToken(f"{said}: {error}") from None
        if first_token and len(ids) != 2:
            raise NoAnswerToken(
                f"{said}: the tokenizer of {model} writes it with {len(ids) - 1} tokens, so the first alone does "
                "not tell it; ask for the whole answer (--format letter), or use other marks (--marks numbers)"
            )
        other = found.setdefault(tuple(ids), (choice, text))
        if other != (choice, text):
            raise NoAnswerToken(
                f"the tokenizer of {model} writes {_called(*other)} and {said} alike; use other marks "
                "(--marks numbers)"
            )


def turn_end(tokenizer: Any, template: str) -> int | None:
    """Return the token that the template itself writes after an assistant's turn; None where there is no such."""
    turns = [{"role": Speaker.USER.value, "content": "question"}, _said("answer")]
    text = _whole(tokenizer, template, turns)
    if text is None:
        return None
    after = _ids(tokenizer, text[text.rfind("answer") + len("answer") :])
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    special = (special | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id}
    return next((token for token in after if token in special), None)


def _prompt(tokenizer: Any, template: str, messages: Sequence[Message]) -> tuple[list[dict[str, str]], str]:
    """Return the conversation as the template takes it, and the text up to where the model's turn begins."""
    import jinja2

    sent = [{"role": m.role.value, "content": m.content} for m in messages]
    refused: object = "it leaves some of it out"
    # Some templates know no system message; then the instructions open the first turn.
    for tried in (sent, merged) if (merged := _without_system(sent)) != sent else (sent,):
        try:
            text = _rendered(tokenizer, template, tried, asks=True)
        except (jinja2.exceptions.TemplateError, TypeError) as error:
            refused = error
            continue
        if all(m["content"].strip() in text for m in tried if m["role"] != Speaker.ASSISTANT):
            return tried, text
    raise BadModel(
        f"the chat template refuses the conversation ({refused}); give another with --chat-template"
    )


def _whole(tokenizer: Any, template: str, sent: Sequence[Mapping[str, str]]) -> str | None:
    """Return an answered conversation; None where the template writes none, which prompts are no worse for."""
    import jinja2

    try:
        return _rendered(tokenizer, template, sent, asks=False)
    except (jinja2.exceptions.TemplateError, TypeError):
        return None


def _rendered(tokenizer: Any, template: str, sent: Sequence[Mapping[str, str]], *, asks: bool) -> str:
    text: str = tokenizer.apply_chat_template(
        [dict(m) for m in sent],
        chat_template=template,
        add_generation_prompt=asks,
        tokenize=False,
        enable_thinking=False,
    )
    return text


def _ids(tokenizer: Any, text: str) -> list[int]:
    # The template writes every special token itself.
    return list(tokenizer.encode(text, add_special_tokens=False))


def _unknown_words(tokenizer: Any, text: str) -> str:
    """Return the first of the words that are unknown, quoted, and how many more there are."""
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=tokenizer.is_fast)
    places = read.get("offset_mapping", [])
    found = [
        text[start:end]
        for token, (start, end) in zip(read["input_ids"], places, strict=False)
        if token == tokenizer.unk_token_id
    ]
    if not found:
        return "some of the words of the prompt"
    return repr(found[0]) + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _read(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text.strip()


def _trimmed(tokenizer: Any, ids: list[int], text: str) -> list[int]:
    """Leave off what follows the answer where nothing ends the turn, such as a line's end."""
    n = next((n for n in range(1, len(ids) + 1) if _read(tokenizer, ids[:n]) == text.strip()), len(ids))
    return ids[:n]


def _said(text: str) -> dict[str, str]:
    return {"role": Speaker.ASSISTANT.value, "content": text}


def _opening(tokenizer: Any) -> int | None:
    ids = tokenizer.encode("", add_special_tokens=True)
    return ids[0] if ids else None


def _dated(template: str) -> str:
    return _DATE.sub(lambda found: repr(TODAY.strftime(found[2])), template)


def _called(choice: Choice, text: str) -> str:
    return f"the answer for {choice.value} ({text!r})"


def _without_system(sent: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    system = "\n\n".join(m["content"] for m in sent if m["role"] == Speaker.SYSTEM)
    others = [dict(m) for m in sent if m["role"] != Speaker.SYSTEM]
    if system and others and others[0]["role"] == Speaker.USER:
        others[0]["content"] = f"{system}\n\n{others[0]['content']}"
    return others if others else list(sent)
