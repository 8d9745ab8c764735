from __future__ import annotations

import json

import pytest


@pytest.fixture
def answered():
    """Return a function that answers a batch as OpenAI does."""

    def answered(batch, *, fail=(), content="A"):
        """Answer a batch as OpenAI does: the lines of its output file and of its error file."""
        output, errors = [], []
        for number, text in enumerate(batch.read_text().splitlines()):
            call = json.loads(text)
            body = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": f"{call['body']['model']}-2024-08-06",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": content},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": 50, "completion_tokens": 1, "total_tokens": 51},
            }
            status = 200
            if number in fail:
                status, body = 429, {"error": {"code": "rate_limit_exceeded", "message": "Slow down."}}
            line = {
                "id": f"batch_req_{number}",
                "custom_id": call["custom_id"],
                "response": {"status_code": status, "request_id": "req", "body": body},
                "error": None,
            }
            (errors if number in fail else output).append(json.dumps(line))
        return output, errors

    return answered
