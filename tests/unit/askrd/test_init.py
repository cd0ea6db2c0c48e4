"""The package exports what a program needs, and loads it when it is named."""

import ast
import inspect
from pathlib import Path

import pytest

import askrd
from askrd.wire.errors import ERROR_CLASSES, CommandError


def promised() -> set[str]:
    """Names that the type checker sees."""
    tree = ast.parse(Path(inspect.getfile(askrd)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imported for alias in node.names}


@pytest.mark.parametrize("name", sorted(promised()))
def test_what_the_type_checker_sees_is_there(name: str) -> None:
    assert getattr(askrd, name).__name__ == name
    assert name in dir(askrd)


def test_every_error_is_exported() -> None:
    assert {error.__name__ for error in (*ERROR_CLASSES.values(), CommandError)} <= promised()


def test_version_is_there() -> None:
    assert askrd.__version__.count(".") == 2


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = askrd.nothing_like_it
