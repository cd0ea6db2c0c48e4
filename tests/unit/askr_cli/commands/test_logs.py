"""Holds what is said about one log, also when its row is poor or hostile."""

from askr_cli.commands.logs import log_lines

ROW = {
    "name": "orders",
    "patterns": ["orders.**", "\x1b[2J"],
    "age_ms": 0,
    "count": 10,
    "bytes": 1 << 20,
    "ack_wait_ms": 30_000,
    "deliveries_max": 1,
    "events": 1,
    "events_bytes": 124,
    "first_seq": 7,
    "last_seq": 7,
}


def test_a_log_is_told_in_safe_lines() -> None:
    assert log_lines(ROW) == [
        "orders",
        "",
        "patterns   orders.** \\u001b[2J",
        "holds      1 event, 7 to 7, 124 B",
        "limits     no age limit, 10 events, 1 MiB",
        "consumers  30 s to ack, delivered once",
    ]


def test_an_empty_log_has_no_numbers() -> None:
    assert "holds      0 events, 0 B" in log_lines(ROW | {"events": 0, "events_bytes": 0})


def test_a_poor_row_is_no_reason_to_fail() -> None:
    assert log_lines({}) == ["", "", "patterns   -", "limits     "]
