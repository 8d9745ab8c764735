"""The OpenAPI document, made by spectree from the calls' models; and the decorator that puts a call into it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, ParamSpec

from flask import Response as FlaskResponse
from flask import abort
from pydantic import BaseModel, ValidationError
from spectree import Response, SpecTree

from survey.web.api.schemas import Problem
from survey.web.problems import MEDIA_TYPE, problem
from survey.web.security import LARGEST_ID

P = ParamSpec("P")

_INTRODUCTION = (
    "Read and run the studies of this Equipoise service from a program. Every call carries an API token in the "
    "header `Authorization: Bearer TOKEN`; owners make tokens on the researcher's pages or with "
    "`equipoise account token add`. Tokens of scope `read` see and download, tokens of scope `write` also add "
    "designs and open, pause and close studies. Errors are `application/problem+json` (RFC 9457)."
)
_COMMON = {
    400: "The request holds what no text may hold (the character NUL).",
    401: "No token, or one that does not work (any more).",
    429: "Too many calls; `Retry-After` says how many seconds to wait.",
}
_STUDY_ID = {"study_id": "The study's id, as the list of studies gives it."}


def _refuse(
    _request: object, _response: object, error: Exception | None, _instance: object, _adapter: object
) -> None:
    """Answer what does not fit the models with problem+json that names every fault."""
    if not isinstance(error, ValidationError):
        return
    complaints = [f"{'.'.join(str(part) for part in e['loc']) or 'body'}: {e['msg']}" for e in error.errors()]
    abort(problem(422, "What was sent does not fit; see 'complaints'.", complaints=complaints))


spec = SpecTree(
    "flask",
    mode="strict",
    title="Equipoise API",
    version=version("equipoise"),
    description=_INTRODUCTION,
    before=_refuse,
    validation_error_model=Problem,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    security={"token": []},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What a call sends or takes that is no JSON."""

    sends: str | None = None
    """Media type of the answer."""
    takes: str | None = None
    """Media type of the body."""
    takes_words: str = ""


_FILES: dict[str, Files] = {}
"""By operation id; filled when the views are imported."""


def operation(
    operation_id: str,
    *,
    returns: Mapping[int, tuple[type[BaseModel] | None, str]],
    refuses: Mapping[int, str] | None = None,
    files: Files | None = None,
) -> Callable[[Callable[P, Any]], Callable[P, FlaskResponse]]:
    """Validate a call by its parameters' annotations and put it into the document.

    Parameters
    ----------
    returns
        Status -> model (None for a file) and what it means.
    refuses
        Status of each error of its own -> what it means; 401, 422 and the like are added.
    """
    if files is not None:
        _FILES[operation_id] = files
    answers: dict[str, Any] = {f"HTTP_{status}": answer for status, answer in returns.items()}
    errors = {
        422: "What was sent does not fit; `complaints` names every fault.",
        **_COMMON,
        **(refuses or {}),
    }
    answers |= {f"HTTP_{status}": (Problem, words) for status, words in sorted(errors.items())}
    decorate: Callable[[Callable[P, Any]], Callable[P, FlaskResponse]] = spec.validate(
        resp=Response(**answers), operation_id=operation_id, path_parameter_descriptions=_STUDY_ID
    )
    return decorate


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the OpenAPI document. Needs the application; made once, for it is the same in every one."""
    made: dict[str, Any] = copy.deepcopy(spec.spec)
    made.pop("tags", None)
    made["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token. It is shown once, when it is made.",
        }
    }
    for methods in made["paths"].values():
        for described in methods.values():
            _correct(described)
    return made


def _correct(described: dict[str, Any]) -> None:
    """Say what spectree does not know: media types, the range of ids, that a parameter left out is not ``null``."""
    described.pop("tags", None)
    files = _FILES.get(described["operationId"], Files())
    for status, answer in described["responses"].items():
        if int(status) >= 400:
            answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
        elif files.sends:
            answer["content"] = {files.sends: {"schema": {"type": "string"}}}
    if files.takes:
        described["requestBody"] = {
            "required": True,
            "description": files.takes_words,
            "content": {files.takes: {"schema": {"type": "string"}}},
        }
    for parameter in described["parameters"]:
        schema = parameter["schema"]
        if parameter["in"] == "path" and schema.get("type") == "integer":
            parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
        elif "anyOf" in schema:
            choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
            rest = {k: v for k, v in schema.items() if k not in ("anyOf", "default")}
            parameter["schema"] = {**choices[0], **rest}
