"""The arrows of ARCHITECTURE.md, checked on the source text of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("survey", "estimation", "exchange", "llm_compare")  # Each may import those before it.
LAYERS = ("clearing", "simulation", "outcomes", "experiment", "jobs")  # Of exchange; likewise.
LAYERS_OF_COMPARING = (
    "prompting",
    "replies",
    "asking",
    "alignment",
    "consequences",
    "participation",
    "report",
    "suggesting",
    "allocation",
    "tuning",
    "commands",
)
LAYERS_OF_TUNING = ("training_sets", "hosted", "models", "training", "serving", "evaluation", "report")
LAYERS_OF_ALLOCATION = ("problems", "trials", "fairness", "waiting_list", "report")
PLAIN_SURVEY = {
    "acceptability",
    "allocation_task",
    "answers",
    "answers_file",
    "attention",
    "coding",
    "design",
    "design_file",
    "columns",
    "errors",
    "languages",
    "pairing",
    "participation",
    "questionnaire",
    "published_answers",
    "suggestions",
    "wording",
    "writing",
}
MODULES = sorted(p.relative_to(ROOT) for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


@cache
def imports(module: Path, *, at_import_only: bool = False) -> tuple[str, ...]:
    """Return the dotted names that a module imports; ``a.b`` for ``from a import b``, too."""
    return tuple(_imports(module, at_import_only=at_import_only))


def _imports(module: Path, *, at_import_only: bool) -> Iterator[str]:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    nodes = _top_level(tree) if at_import_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide the arrows; write the package's name"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _top_level(tree: ast.Module) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        is_type_checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_type_checking:
            waiting.extend(ast.iter_child_nodes(node))


def uses(module: Path, library: str) -> bool:
    return any(name == library or name.startswith(f"{library}.") for name in imports(module))


def is_plain(module: Path) -> bool:
    """Whether a module of survey is one of the plain ones, or belongs to a package that is."""
    return module.parts[1].removesuffix(".py") in PLAIN_SURVEY


def test_there_are_modules_to_check():
    assert len(MODULES) > 40


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_left(module: Path):
    own = PACKAGES.index(module.parts[0])
    for name in imports(module):
        top = name.split(".")[0]
        if top in PACKAGES:
            assert PACKAGES.index(top) <= own, f"{module} imports {name}, which lies to its right"


@pytest.mark.parametrize("module", [m for m in MODULES if m.parts[0] != "survey"], ids=str)
def test_other_packages_use_only_the_plain_modules_of_survey(module: Path):
    allowed = set(PLAIN_SURVEY)
    if module.name == "web.py":
        allowed.add("web")
    if module.parts[0] == "llm_compare" and module.name in ("store.py", "tables.py"):
        allowed |= {"db", "config"}  # The reply store opens the same database as the survey.
    if module == Path("llm_compare/participation/store.py"):
        allowed |= {"store", "tables"}  # Models take a study that is open there: its design, seed and state.
    for name in imports(module):
        parts = name.split(".")
        if parts[0] == "survey" and len(parts) > 1:
            assert parts[1] in allowed, f"{module} imports {name}"


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.parts[0] == "exchange" and m.parts[1] in LAYERS], ids=str
)
def test_from_clearing_to_jobs_imports_point_left(module: Path):
    own = LAYERS.index(module.parts[1])
    for name in imports(module):
        package, _, rest = name.partition(".")
        layer = rest.split(".")[0]
        if package == "exchange" and layer in LAYERS:
            assert LAYERS.index(layer) <= own, f"{module} imports {name}, which lies to its right"


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if m.parts[0] == "llm_compare" and m.parts[1] in LAYERS_OF_COMPARING],
    ids=str,
)
def test_from_prompts_to_reports_imports_point_left(module: Path):
    own = LAYERS_OF_COMPARING.index(module.parts[1])
    for name in imports(module):
        package, _, rest = name.partition(".")
        layer = rest.split(".")[0]
        if package == "llm_compare" and layer in LAYERS_OF_COMPARING:
            assert LAYERS_OF_COMPARING.index(layer) <= own, (
                f"{module} imports {name}, which lies to its right"
            )


@pytest.mark.parametrize(
    "module",
    [
        m
        for m in MODULES
        if m.parts[:2] == ("llm_compare", "allocation") and m.parts[2] in LAYERS_OF_ALLOCATION
    ],
    ids=str,
)
def test_from_problems_to_their_report_imports_point_left(module: Path):
    own = LAYERS_OF_ALLOCATION.index(module.parts[2])
    for name in imports(module):
        if name.startswith("llm_compare.allocation."):
            layer = name.split(".")[2]
            if layer in LAYERS_OF_ALLOCATION:
                assert LAYERS_OF_ALLOCATION.index(layer) <= own, (
                    f"{module} imports {name}, which lies to its right"
                )


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if m.parts[:2] == ("llm_compare", "tuning") and m.parts[2] in LAYERS_OF_TUNING],
    ids=str,
)
def test_from_training_sets_to_their_report_imports_point_left(module: Path):
    own = LAYERS_OF_TUNING.index(module.parts[2])
    for name in imports(module):
        if name.startswith("llm_compare.tuning."):
            layer = name.split(".")[2]
            if layer in LAYERS_OF_TUNING:
                assert LAYERS_OF_TUNING.index(layer) <= own, (
                    f"{module} imports {name}, which lies to its right"
                )


@pytest.mark.parametrize("module", [m for m in MODULES if m.parts[0] == "survey" and is_plain(m)], ids=str)
def test_the_plain_modules_of_survey_need_no_web_and_no_database(module: Path):
    for imported in imports(module):
        top = imported.split(".")[0]
        assert top not in ("flask", "sqlalchemy", "alembic", "flask_wtf", "flask_babel"), (
            f"{module} imports {imported}"
        )
        if top == "survey" and imported.count("."):
            assert imported.split(".")[1] in PLAIN_SURVEY, f"{module} imports {imported}"


@pytest.mark.parametrize(
    ("library", "may_use"),
    [
        ("litellm", lambda m: m == Path("llm_compare/asking/client.py")),
        ("choix", lambda m: m.parts[0] == "estimation"),
        ("pulp", lambda m: m.parts[:2] == ("exchange", "clearing")),
        ("highspy", lambda m: m.parts[:2] == ("exchange", "clearing")),
        ("pyarrow", lambda m: m.name == "parquet.py" or m.name.endswith("_file.py")),
        ("pyreadstat", lambda m: m == Path("llm_compare/allocation/problems/registry_extract.py")),
        ("distributed", lambda m: m == Path("estimation/executors.py")),
        ("torch", lambda m: m.parts[:2] == ("llm_compare", "tuning")),
        ("transformers", lambda m: m.parts[:2] == ("llm_compare", "tuning")),
        ("peft", lambda m: m.parts[:2] == ("llm_compare", "tuning")),
        ("flask", lambda m: m.parts[0] == "survey" or m.name == "web.py"),
        ("sqlalchemy", lambda m: m.parts[0] == "survey" or m.name in ("store.py", "tables.py")),
        ("matplotlib", lambda m: m.stem.endswith("_plots") or m.name == "report.py"),
    ],
)
def test_each_library_is_used_only_where_it_belongs(library: str, may_use):
    users = [m for m in MODULES if uses(m, library)]

    assert users, f"nothing uses {library}; drop this line or the library"
    assert [str(m) for m in users if not may_use(m)] == []


def test_importing_every_module_does_no_work():
    # In a fresh interpreter without network: no engine, no connection, no file, no slow library.
    names = [".".join(m.with_suffix("").parts).removesuffix(".__init__") for m in MODULES]
    code = (
        "import socket, sys, importlib\n"
        "def refuse(*a, **k): raise AssertionError('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(sorted({'litellm', 'matplotlib.pyplot', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_store_modules_never_commit():
    for module in (m for m in MODULES if m.name == "store.py" or "store" in m.parts[1:-1]):
        assert ".commit(" not in (ROOT / module).read_text(encoding="utf-8"), f"{module} commits"
