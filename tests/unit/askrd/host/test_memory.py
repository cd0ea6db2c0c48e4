"""Memory of large frames."""

import ctypes

from askrd.host.memory import KEPT_BYTES, MAPPED_FROM_BYTES, keep_freed_memory
from askrd.wire.limits import DEFAULT_LIMITS


def test_it_is_set_on_glibc_and_refused_elsewhere() -> None:
    assert keep_freed_memory() is hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


def test_a_frame_of_the_default_limit_comes_from_the_heap() -> None:
    assert DEFAULT_LIMITS.frame_bytes_max < MAPPED_FROM_BYTES < KEPT_BYTES
