"""A recorded reply as one line of ``replies.jsonl``; ``reply_record`` reads it. Pure."""

from __future__ import annotations

from typing import Any

from llm_compare.prompting.call import is_scripted
from llm_compare.replies.parsing import PARSER, parse
from llm_compare.replies.reply import RecordedReply
from llm_compare.replies.reply_parts import parts_of

_BEFORE_THE_TIME = (
    "finish_reason", "refusal", "reasoning", "first_token", "returned_model", "system_fingerprint", "tokens_in",
    "tokens_out", "tokens_reasoning", "cost_usd", "seconds",
)  # fmt: skip
_AFTER_THE_TIME = ("attempts", "asked_at", "error", "response")


def line_document(recorded: RecordedReply) -> dict[str, Any]:
    """Return everything about a call and its reply, in the newest version of the format."""
    request, reply = recorded.request, recorded.reply
    parts = parts_of(reply)
    parsed = parse(reply, request.labels, request.variant.answer_format)
    return {
        "request_key": request.key,
        "repeat": request.repeat,
        "model": request.model,
        "scripted": is_scripted(request.model),
        "api_base": request.api_base,
        "messages": request.sent_messages,
        "settings": request.settings.sent(),
        "template": request.template,
        "variant": request.variant.as_dict(),
        "language": request.language,
        "sends_schema": request.sends_schema,
        "labels": [{"mark": m, "name": n, "choice": c.value} for m, n, c in request.labels.offered()],
        "design_hash": request.design_hash,
        "arm": request.arm,
        "left": {"name": request.left.name, "values": request.left.as_dict()},
        "right": {"name": request.right.name, "values": request.right.as_dict()},
        "side_order": request.side_order.value,
        "attribute_order": list(request.attribute_order),
        "indecision_offered": request.indecision_offered,
        "reply": parts["content"],
        "outcome": parsed.outcome.value,
        "choice": None if parsed.choice is None else parsed.choice.value,
        "shares": None if parsed.shares is None else list(parsed.shares),
        "rule": parsed.rule.value,
        "parser": PARSER,
        **{name: parts[name] for name in _BEFORE_THE_TIME},
        "seconds_missing": recorded.seconds_missing,
        **{name: parts[name] for name in _AFTER_THE_TIME},
    }
