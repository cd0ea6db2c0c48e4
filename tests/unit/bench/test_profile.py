"""Samples are booked on the part whose code ran."""

import pytest

from bench.profile import leaves, read_perf, whose


@pytest.mark.parametrize(
    ("place", "symbol", "part"),
    [
        ("[kernel.kallsyms]", "tcp_sendmsg", "kernel"),
        ("python3.11", "_PyEval_EvalFrameDefault", "interpreter"),
        ("libpython3.11.so.1.0", "PyDict_GetItem", "interpreter"),
        ("loop.cpython-311-x86_64-linux-gnu.so", "uv__io_poll", "uvloop"),
        ("router.cpython-311-x86_64-linux-gnu.so", "feed", "ours"),
        ("libc.so.6", "__memmove_avx_unaligned_erms", "memory"),
        ("libc.so.6", "malloc", "other"),
    ],
)
def test_object_file_belongs_to_a_part(place: str, symbol: str, part: str) -> None:
    assert whose(place, symbol) == part


def test_report_of_perf_is_summed_by_part() -> None:
    rows = ["# comment", " 40.00%;[kernel.kallsyms];[k] tcp", " 20.50%;python3.11;[.] a"]
    text = "\n".join([*rows, "  9.50%;python3.11;[.] b", ""])
    assert dict(read_perf(text)) == {"kernel": 40.0, "interpreter": 30.0}


def test_samples_end_in_functions_with_the_most_first() -> None:
    stacks = "run (a.py:1);feed (r.py:10) 3\nrun (a.py:1);feed (r.py:12) 3\nrun (a.py:1) 2\n"
    assert leaves(stacks) == [("feed (r.py)", 75.0), ("run (a.py)", 25.0)]
