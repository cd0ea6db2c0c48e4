"""The comparison of the SDKs: rows are medians, a missing peer is a gap, and it really runs."""

import json

import pytest

from bench.sdk.__main__ import main, table
from bench.sdk.processes import Party, PartyFailed
from bench.sdk.rows import Sample, as_rows
from bench.sdk.servers import missing, versions
from bench.sdk.workloads import ORDER, PAYLOAD, WORKLOADS

ASK = WORKLOADS[0]


def samples(*rates: float) -> list[Sample]:
    return [Sample(per_second=rate, server_us=1.0, client_us=rate) for rate in rates]


def test_a_row_is_the_median_of_its_rounds_with_ratios_to_the_peers() -> None:
    found = {(ASK.name, "askr"): samples(30, 10, 20), (ASK.name, "nats"): samples(5, 4, 6)}
    gaps = {"askr": "", "nats": "", "redis": "redis-server is not installed"}
    ours, nats, redis = as_rows([ASK], ("askr", "nats", "redis"), found, gaps)
    assert (ours["value"], ours["low"], ours["high"], ours["rounds"]) == (20, 10, 30, [30, 10, 20])
    assert (ours["server_us_per_op"], ours["client_us_per_op"]) == (1.0, 20.0)
    assert ours["service_us_per_op"] is None
    assert ours["ratios"] == {"nats-py": 4.0, "redis-py": None}
    assert nats["value"] == 5
    assert (redis["value"], redis["error"]) == (None, "redis-server is not installed")
    assert "no figure: redis-server is not installed" in table([redis])


def test_one_failed_round_leaves_no_figure() -> None:
    found = {(ASK.name, "askr"): [*samples(30), Sample(error="an answer is not what was asked")]}
    (row,) = as_rows([ASK], ("askr",), found, {"askr": ""})
    assert (row["value"], row["error"]) == (None, "an answer is not what was asked")


def test_both_payloads_are_of_one_size() -> None:
    assert len(PAYLOAD) == 128
    assert abs(len(json.dumps(ORDER, separators=(",", ":"))) - 128) <= 8


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.sdk.servers._program", lambda name: None)
    assert missing("nats") == "nats-server is not installed"
    assert versions()["redis"] == "redis-server is not installed"
    assert missing("askr") == ""


def test_a_party_that_fails_says_why() -> None:
    words = ["askr", "unix:/nonexistent/askrd.sock", "answer"]
    with Party(words, None) as party, pytest.raises(PartyFailed, match="CannotConnect"):
        party.hear("ready")


@pytest.mark.integration
def test_a_round_on_askrd_has_figures(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--quick", "--json", "--system", "askr", "--only", "sdk-ask-64-json"]
    assert main([*words, "--only", "sdk-event-10"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["error"] for row in rows] == ["", ""]
    assert all(row["value"] > 0 for row in rows)
