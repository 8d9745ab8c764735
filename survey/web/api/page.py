"""The OpenAPI document, and the same for people: one page without scripts, made on the server."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify, render_template, request

from survey.web.api.document import document
from survey.web.api.routes import blueprint
from survey.web.context import the_context

_BODIES = {"application/toml": "--data-binary @design.toml", "application/json": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call, as the page shows it."""

    method: str
    path: str
    described: dict[str, Any]
    """Its part of the OpenAPI document."""
    curl: str


@blueprint.get("/api/v1/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    return jsonify(document())


@blueprint.get("/api/")
def described() -> str:
    """Show the calls, their parameters, schemas and an example of each."""
    found = document()
    base = the_context().settings.public_url.rstrip("/") or request.host_url.rstrip("/")
    operations = [
        Operation(method=method.upper(), path=path, described=about, curl=_curl(base, method, path, about))
        for path, methods in found["paths"].items()
        for method, about in methods.items()
    ]
    operations.sort(key=lambda o: (o.path.count("/"), o.path, o.method))
    return render_template(
        "api/described.html",
        info=found["info"],
        operations=operations,
        schemas=sorted(found["components"]["schemas"].items()),
        kind_of=_kind_of,
    )


def _curl(base: str, method: str, path: str, about: dict[str, Any]) -> str:
    words = ["curl", "-H 'Authorization: Bearer TOKEN'"]
    if method != "get":
        words.append(f"-X {method.upper()}")
    for media_type in about.get("requestBody", {}).get("content", {}):
        words.append(f"-H 'Content-Type: {media_type}'")
        words.append(_BODIES[media_type] or """-d '{"state": "open"}'""")
    if "200" in about["responses"] and path.rsplit("/", 1)[-1].count("."):
        words.append("-O")
    words.append(shlex.quote(base + path.replace("{study_id}", "1")))
    return " ".join(words)


def _kind_of(schema: dict[str, Any]) -> str:
    """Return a schema's type in a few words; another schema by its name after ``#``."""
    if "$ref" in schema:
        return "#" + str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_kind_of(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind_of(schema['items'])}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object: name to {_kind_of(schema['additionalProperties'])}"
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
