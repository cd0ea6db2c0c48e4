"""Holds the one version number that the package, the wire greeting and both programs report."""

import os
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Literal

VERSION = "0.1.0"

_ROUTER = os.path.join(os.path.dirname(__file__), "core", "router")  # noqa: PTH118, PTH120
BUILD: Literal["compiled", "pure"] = (
    "compiled" if any(os.path.exists(_ROUTER + end) for end in EXTENSION_SUFFIXES) else "pure"  # noqa: PTH110
)
"""Whether the hot path was compiled when this was installed (hatch_build.py)."""
