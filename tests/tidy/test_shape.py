"""Holds the shape of the code: short files, short functions, honest names, no loose ends."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, name_of, product_modules, python_files, tree_of

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
NAMELESS = re.compile(r"^_?(base_\w+|common|core_impl|helpers?|managers?|handlers?|misc|utils?)$")

# Functions that may be longer than a screen, each with the reason why it stays in one piece.
LONG_FUNCTIONS = {
    ("askrd/core/router.py", "Router.feed"): "the hot path: one loop over the frames of a read",
    ("tests/unit/askr_cli/top/canned.py", "stats"): "a table: one whole answer of the daemon",
}

# Who may catch everything: a door, where a session dies alone, and the relay, which stops the
# daemon when the core fails (raised into a callback of the loop, the fault would only be logged).
BULKHEADS = ("askrd/doors/door.py", "askrd/relay.py")

Function = ast.FunctionDef | ast.AsyncFunctionDef

product = pytest.mark.parametrize("path", product_modules(), ids=name_of)
every_file = pytest.mark.parametrize("path", python_files(), ids=name_of)


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            yield qualified_name(node), node


def ancestors(node: ast.AST) -> Iterator[ast.AST]:
    while (above := getattr(node, "parent", None)) is not None:
        yield above
        node = above


def qualified_name(node: Function) -> str:
    named = [above for above in ancestors(node) if isinstance(above, Function | ast.ClassDef)]
    return ".".join([above.name for above in reversed(named)] + [node.name])


def lines_of(node: Function) -> int:
    """Lines of code from `def` to the end; the docstring is not counted."""
    assert node.end_lineno is not None
    docstring = ast.get_docstring(node, clean=False)
    return node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of attributes, the empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield name, node


@every_file
def test_file_opens_with_why_it_exists(path: Path) -> None:
    empty_marker = path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip()
    if empty_marker and path.is_relative_to(ROOT / "tests"):
        return  # a folder of tests needs no theory
    assert ast.get_docstring(tree_of(path)), "say in one sentence why this file exists"


@every_file
def test_file_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES_MAX, "split it along the way a message flows"


@every_file
def test_file_is_named_after_what_it_does(path: Path) -> None:
    assert not NAMELESS.match(path.stem), "a name that fits anything lets anything in"


@every_file
def test_functions_fit_on_a_screen(path: Path) -> None:
    long = {
        name: lines_of(node)
        for name, node in functions(path)
        if lines_of(node) > FUNCTION_LINES_MAX and (name_of(path), name) not in LONG_FUNCTIONS
    }
    assert long == {}


def test_every_exception_for_a_long_function_is_still_needed() -> None:
    needed = {
        (name_of(path), name)
        for path in python_files()
        for name, node in functions(path)
        if lines_of(node) > FUNCTION_LINES_MAX
    }
    assert set(LONG_FUNCTIONS) <= needed, "remove what is short by now"


@product
def test_unfinished_code_is_not_here(path: Path) -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert unfinished.findall(path.read_text(encoding="utf-8")) == []


def test_unknown_errors_are_caught_in_two_places_only() -> None:
    wide = {"Exception", "BaseException"}
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in product_modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or dotted(node.type) in wide)
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        and not name_of(path).startswith(BULKHEADS)
    ]
    assert found == [], "catch what you expect; the rest is a bug and must be seen"


@product
def test_every_queue_has_a_bound(path: Path) -> None:
    unbounded = [
        node.lineno
        for name, node in calls(path)
        if name.rpartition(".")[2] in {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}
        and not node.args
        and not node.keywords
    ]
    assert unbounded == []


@pytest.mark.parametrize(
    "path", [path for path in python_files() if name_of(path).startswith("tests/")], ids=name_of
)
def test_tests_wait_for_conditions_not_for_time(path: Path) -> None:
    naps = [
        node.lineno
        for name, node in calls(path)
        if name in {"time.sleep", "asyncio.sleep", "sleep"}
        and not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
        and naps_in_a_test(node)
    ]
    assert naps == [], "wait for the condition, with a deadline"


def naps_in_a_test(node: ast.Call) -> bool:
    """True when a test itself sleeps outside a loop; a slow handler it defines may be slow."""
    for above in ancestors(node):
        if isinstance(above, ast.While | ast.For | ast.AsyncFor):
            return False
        if isinstance(above, Function):
            return above.name.startswith("test_")
    return True


@pytest.mark.parametrize(
    "path", [path for path in python_files() if name_of(path).startswith("tests/")], ids=name_of
)
def test_tests_replace_nothing_of_ours(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    mocks = {name for name in imported if name.startswith(("unittest", "mock", "pytest_mock"))}
    assert mocks == set(), "use the memory engine, virtual time or a real process"


def test_unit_tests_mirror_the_packages() -> None:
    unit = ROOT / "tests" / "unit"
    strays = [
        name_of(test)
        for test in python_files()
        if test.is_relative_to(unit) and test.name.startswith("test_") and not mirrored(test, unit)
    ]
    assert strays == [], "a unit test lies where its module lies and is called like it"


def mirrored(test: Path, unit: Path) -> bool:
    """True when the module `b` of `test_b.py` or `test_b_more.py` exists where the test says."""
    inside = test.parent.relative_to(unit)
    words = test.stem.removeprefix("test_").split("_")
    stems = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return any(
        (folder / f"{name}.py").exists() or (folder / name).is_dir()
        for folder in (ROOT / inside, ROOT / "askrd" / inside)
        for stem in stems
        for name in (stem, f"__{stem}__")
    )
