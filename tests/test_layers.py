"""The house's law, read from the imports: who may import whom, who touches the world, and that nothing goes in circles.

Every import counts, also one inside a function or below TYPE_CHECKING. docs/architecture.md draws the same table.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "digest"
STAGES = ("sources", "entries", "ranking", "editions", "rendering", "delivery")

#: room -> the other rooms it may import
MAY_IMPORT: dict[str, set[str]] = {
    "cli": {"daemon", "web", "app", "services", "config", "model"},
    "daemon": {"web", "app", "fleet", "services", "config", "model"},
    "web": {"app", "services", "config", "model"},
    "app": {"config", "fleet", "services", "storage", "model", *STAGES},
    "fleet": {"services", "storage", "model"},
    "config": {"model"},
    "services": {"storage", "model", *STAGES},
    **{stage: {"model"} for stage in STAGES},
    "storage": {"model"},
    "model": set(),
}

#: room of the services -> the other rooms of theirs that it may import
SERVICES_MAY_IMPORT: dict[str, set[str]] = {
    "access": {"readers"},
    "archive": {"publishing"},
    "tending": {"fetching", "learning", "publishing", "status"},
    "sending": {"publishing", "status"},
    "publishing": {"fetching", "learning", "readers", "status"},
    "fetching": {"status"},
    "readers": {"learning", "status"},
    "learning": {"status"},
    "status": set(),
}

#: Modules of the stages that touch the world; app alone names them, outside their own stage.
WORLDLY = {
    "digest.delivery.catchall",
    "digest.delivery.exchange",
    "digest.delivery.folder",
    "digest.delivery.handshake",
    "digest.delivery.mailbox",
    "digest.delivery.oauth",
    "digest.delivery.records",
    "digest.delivery.smtp",
    "digest.delivery.wire",
    "digest.ranking.semantic",
    "digest.sources.asking.fetch",
    "digest.sources.asking.files",
    "digest.sources.asking.network",
    "digest.sources.asking.programs",
    "digest.sources.workers",
}

#: What no pure module of a stage imports: network, processes, randomness.
WORLD = {
    "asyncio",
    "ftplib",
    "http.client",
    "httpx2",
    "imaplib",
    "multiprocessing",
    "poplib",
    "random",
    "requests",
    "secrets",
    "smtplib",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "urllib.request",
}

#: Libraries that live in one room.
LIVES_IN = {
    "apscheduler": {"daemon"},
    "procrastinate": {"fleet"},
    "starlette": {"web"},
    "sqlalchemy": {"storage"},
    "alembic": {"storage"},
    "pydantic": {"config", "web"},
    "pydantic_settings": {"config"},
    "typer": {"cli"},
    "premailer": {"rendering"},
    "css_inline": {"rendering"},
    "feedparser": {"sources"},
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found: dict[str, Path] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ("digest", *file.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported(module: str, node: ast.AST) -> Iterator[str]:
    """The dotted names that one import statement of a module means."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            is_package = modules()[module].name == "__init__.py"
            above = module.split(".")[: len(module.split(".")) - node.level + is_package]
            base = ".".join(filter(None, (*above, base)))
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield inner if inner in modules() or inner in WORLD else base


@cache
def imports(module: str) -> frozenset[str]:
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return frozenset(name for node in ast.walk(tree) for name in imported(module, node))


def ours(module: str) -> set[str]:
    return {name for name in imports(module) if name == "digest" or name.startswith("digest.")}


def test_every_room_of_the_package_is_in_the_table():
    assert {room(module) for module in modules()} - {"", "__main__"} <= set(MAY_IMPORT)


def test_imports_run_downwards_only():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in ours(module)
        if room(module) in MAY_IMPORT and room(name) not in {"", room(module), *MAY_IMPORT[room(module)]}
    ]
    assert sorted(wrong) == []


def test_services_keep_to_their_rooms():
    def place(module: str) -> str:
        parts = module.split(".")
        return parts[2] if parts[:2] == ["digest", "services"] and len(parts) > 3 else ""

    assert {place(module) for module in modules()} - {""} == set(SERVICES_MAY_IMPORT)
    used = {(place(module), place(name)) for module in modules() for name in ours(module) if place(name)}
    allowed = {(above, below) for above, belows in SERVICES_MAY_IMPORT.items() for below in belows}
    assert {(above, below) for above, below in used if above not in ("", below)} == allowed
    assert list(TopologicalSorter(SERVICES_MAY_IMPORT).static_order())


def test_only_the_composition_root_names_what_touches_the_world():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in ours(module) & WORLDLY
        if room(module) not in ("app", room(name))
    ]
    assert sorted(wrong) == []


def test_the_rest_of_every_stage_is_pure():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if room(module) in STAGES and module not in WORLDLY
        for name in imports(module)
        if name in WORLD or name.split(".")[0] in WORLD or name in WORLDLY
    ]
    assert sorted(wrong) == []


def test_the_model_needs_nothing_but_the_standard_library():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if room(module) == "model"
        for name in imports(module)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("digest.model")
    ]
    assert sorted(wrong) == []


def test_each_library_stays_in_its_room():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in imports(module)
        if name.split(".")[0] in LIVES_IN and room(module) not in LIVES_IN[name.split(".")[0]]
    ]
    assert sorted(wrong) == []


def test_the_inliner_is_imported_only_when_it_is_used():
    wrong: list[str] = []
    for module, file in modules().items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            names = {name.split(".")[0] for name in imported(module, node)}
            if names & {"premailer", "css_inline", "cssutils"} and id(node) not in inside:
                wrong.append(f"{module} line {getattr(node, 'lineno', '?')}")
    assert sorted(wrong) == []


def test_no_module_imports_itself_by_a_detour():
    graph = {module: ours(module) & set(modules()) - {"digest"} for module in modules()}
    done: set[str] = set()

    def circle(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if module in path:
            return (*path[path.index(module) :], module)
        if module in done:
            return ()
        for below in sorted(graph[module]):
            found = circle(below, (*path, module))
            if found:
                return found
        done.add(module)
        return ()

    assert [found for module in graph if (found := circle(module, ()))] == []


def test_the_architecture_page_draws_this_table():
    page = (PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"(?m)^ +(\w+) --> (\w+)$", page))
    grouped = {
        ("stages" if above in STAGES else above, "stages" if below in STAGES else below)
        for above, belows in MAY_IMPORT.items()
        for below in belows
    }
    assert drawn == grouped
