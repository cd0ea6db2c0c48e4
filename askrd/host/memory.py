"""How memory is kept: by the C library for large frames, by the interpreter for what was restored."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from askrd.wire.limits import MIB

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
KEPT_BYTES = 16 * MIB
"""Free memory at the end of the heap that is kept for the next large frame."""
MAPPED_FROM_BYTES = 4 * MIB
"""Blocks of this size are taken from the system and given back one by one."""


def keep_freed_memory() -> bool:
    """Has glibc reuse the memory of large frames instead of returning it to the system.

    Returns:
        Whether it could be set; elsewhere than on glibc nothing happens.
    """
    try:
        library = ctypes.CDLL(None)
        is_glibc = hasattr(library, "gnu_get_libc_version")
    except (OSError, TypeError):  # No library, or a system that cannot be asked.
        return False
    if not is_glibc:
        return False
    trim = library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    mapped = library.mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
    return bool(trim and mapped)


@contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Keeps the interpreter from searching what the block makes for cycles, then and ever after.

    For a block that makes a great many lasting objects: each search would look at all of them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
