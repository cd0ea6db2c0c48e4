"""Black box: `askr logs`."""

import pytest

from tests.integration.cli.program import Askr

pytestmark = pytest.mark.integration


@pytest.fixture
def log(request: pytest.FixtureRequest, askr: Askr) -> str:
    """A log of the events NAME.** that no other test knows."""
    name: str = request.node.originalname.removeprefix("test_")[:60]
    assert askr("logs", "create", name, f"{name}.**").code == 0
    return name


def row_of(askr: Askr, log: str) -> dict[str, object]:
    shown: dict[str, object] = askr("logs", "show", log, "--json").json
    return shown


def test_a_log_is_made_with_its_limits(askr: Askr) -> None:
    made = askr(
        "logs", "create", "limited", "limited.**", "other", "--age", "7d", "--count", "10",
        "--bytes", "1M", "--ack-wait", "5s", "--max-deliveries", "2", "--json",
    )  # fmt: skip
    assert made.code == 0
    row = row_of(askr, "limited")
    limits = {
        "name": "limited", "patterns": ["limited.**", "other"], "age_ms": 604_800_000,
        "count": 10, "bytes": 1 << 20, "ack_wait_ms": 5_000, "deliveries_max": 2,
    }  # fmt: skip
    assert {name: row[name] for name in limits} == limits
    assert {name: made.json[name] for name in limits} == limits
    assert made.json["ok"] is True


def test_a_log_is_told_to_people_with_its_limits(askr: Askr) -> None:
    told = askr("logs", "create", "told", "told.**", "--age", "0")
    assert (told.code, told.out) == (0, "")
    assert told.err == "told keeps told.**: no age limit, 100000 events, 64 MiB\n"


def test_creating_again_changes_the_limits(askr: Askr, log: str) -> None:
    askr("emit", f"{log}.a", "1")
    assert askr("logs", "create", log, f"{log}.**", "--count", "5").code == 0
    assert (row_of(askr, log)["count"], row_of(askr, log)["events"]) == (5, 1)


def test_logs_are_listed(askr: Askr, log: str) -> None:
    askr("emit", f"{log}.a", "1")
    rows = {row["name"]: row for row in askr("logs", "--json").json}
    assert rows[log]["events"] == 1
    assert rows == {row["name"]: row for row in askr("logs", "list", "--json").json}
    head, *lines = askr("logs").out.splitlines()
    assert head.split() == ["LOG", "PATTERNS", "EVENTS", "SIZE", "KEPT", "FOR", "CONSUMERS"]
    cells = next(line for line in lines if line.startswith(f"{log} ")).split()
    assert cells[:3] == [log, f"{log}.**", "1"]


def test_a_log_is_shown_with_its_consumers(askr: Askr, log: str) -> None:
    askr("emit", f"{log}.a", "1")
    askr("emit", f"{log}.a", "2")
    askr("listen", "--log", log, "--consumer", "books", "--ack", "--count", "1")
    out = askr("logs", "show", log).out
    assert out.startswith(f"{log}\n")
    assert "holds      2 events, 1 to 2" in out
    assert out.splitlines()[-1].split()[:3] == ["books", "1", "1"]


def test_a_consumer_is_forgotten(askr: Askr, log: str) -> None:
    askr("emit", f"{log}.a", "1")
    askr("listen", "--log", log, "--consumer", "books", "--ack", "--count", "1")
    (row,) = askr("logs", "consumers", log, "--json").json
    assert (row["consumer"], row["seq"], row["waiting"]) == ("books", 1, 0)
    told = askr("logs", "consumers", log, "--rm", "books")
    assert (told.code, told.err) == (0, f"books is no consumer of {log} any more\n")
    assert askr("logs", "consumers", log, "--json").json == []
    assert "has no consumer" in askr("logs", "consumers", log).err


def test_a_log_is_purged(askr: Askr, log: str) -> None:
    for number in range(3):
        askr("emit", f"{log}.a", str(number))
    assert askr("logs", "purge", log, "--upto", "2").err == f"purged 2 events of {log}\n"
    assert row_of(askr, log)["first_seq"] == 3
    assert askr("logs", "purge", log, "--json").json["purged"] == 1
    assert row_of(askr, log)["events"] == 0


def test_a_log_is_removed(askr: Askr, log: str) -> None:
    told = askr("logs", "rm", log)
    assert (told.code, told.err) == (0, f"{log} is removed\n")
    assert log not in {row["name"] for row in askr("logs", "list", "--json").json}


@pytest.mark.parametrize("verb", ["show", "consumers", "purge", "rm"])
def test_no_such_log_exits_5_and_says_where_to_look(askr: Askr, verb: str) -> None:
    told = askr("logs", verb, "nowhere", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "not_found")
    assert "askr logs" in told.err


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("create", "x"), {2}),
        (("create", "a b", "c"), {3}),
        (("create", "x", "a..b"), {3}),
        (("create", "x", "y", "--bytes", "much"), {2}),
        (("create", "x", "y", "--age", "long"), {2}),
        (("create", "x", "y", "--count", "0"), {2}),
        (("craete", "x", "y"), {2}),
        (("purge",), {2}),
    ],
)
def test_a_wrong_line_makes_no_log(askr: Askr, words: tuple[str, ...], codes: set[int]) -> None:
    told = askr("logs", *words, "--json")
    assert told.code in codes
    assert told.json["ok"] is False
    assert "x" not in {row["name"] for row in askr("logs", "list", "--json").json}


def test_a_dry_run_shows_the_commands(askr: Askr) -> None:
    made = askr("logs", "create", "x", "a.**", "--age", "1d", "--dry-run").json
    assert made == {
        "k": "call", "id": 1, "to": "$askr.logs.create",
        "d": {"name": "x", "patterns": ["a.**"], "age_ms": 86_400_000},
    }  # fmt: skip
    removed = askr("logs", "consumers", "x", "--rm", "c", "--dry-run").json
    assert (removed["to"], removed["d"]) == (
        "$askr.logs.remove_consumer", {"name": "x", "consumer": "c"},
    )  # fmt: skip
