"""Live names that are fresh, and asked for no more often than needed."""

from typing import Any

from askr_cli.shell.registry import FRESH_S, Registry
from askrd.wire.errors import ConnectionLost
from tests.unit.askr_cli.shell.canned import DESCRIPTIONS, SERVICES


class Daemon:
    """Answers from the canned data and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.services: list[dict[str, Any]] = list(SERVICES)
        self.away = False
        self.now_s = 100.0

    def send(self, target: str, payload: Any = None, *, timeout: float | None = None) -> Any:
        if self.away:
            raise ConnectionLost("gone")
        if target == "$askr.services":
            self.asked.append("services")
            return self.services
        if target == "$askr.logs.list":
            self.asked.append("logs")
            return [{"name": "orders", "patterns": ["orders.**"]}]
        if target == "$askr.jobs.list":
            self.asked.append("jobs")
            return [{"id": "17", "target": "mail.post", "state": "dead"}]
        self.asked.append(payload["target"])
        return DESCRIPTIONS.get(payload["target"], {})

    def keys(self) -> list[str]:
        self.asked.append("keys")
        return ["b", "a"]

    def clock(self) -> float:
        return self.now_s


def test_names_are_asked_for_once_while_they_are_fresh() -> None:
    daemon = Daemon()
    registry = Registry(daemon, daemon.keys, daemon.clock)
    assert registry.names.commands == {}
    registry.fresh_names()
    daemon.now_s += FRESH_S / 2
    assert "agent.crawl" in registry.fresh_names().commands
    assert daemon.asked == ["services", "agent", "cache"]


def test_a_description_is_asked_for_again_only_for_another_instance() -> None:
    daemon = Daemon()
    registry = Registry(daemon, daemon.keys, daemon.clock)
    registry.fresh_names()
    daemon.services[2] = {**daemon.services[2], "instance": "bbbbbb"}
    daemon.now_s += FRESH_S
    registry.fresh_names()
    assert daemon.asked == ["services", "agent", "cache", "services", "cache"]


def test_keys_are_asked_for_when_they_are_wanted() -> None:
    daemon = Daemon()
    registry = Registry(daemon, daemon.keys, daemon.clock)
    assert registry.fresh_names().keys == ()
    assert registry.fresh_names(with_keys=True).keys == ("a", "b")
    assert daemon.asked.count("keys") == 1


def test_old_names_stay_while_the_daemon_is_away() -> None:
    daemon = Daemon()
    registry = Registry(daemon, daemon.keys, daemon.clock)
    registry.fresh_names()
    daemon.away = True
    daemon.now_s += FRESH_S
    assert "agent.crawl" in registry.fresh_names(with_keys=True).commands


def test_logs_and_jobs_are_asked_for_when_they_are_wanted() -> None:
    daemon = Daemon()
    registry = Registry(daemon, daemon.keys, daemon.clock)
    assert registry.fresh_names().logs == {}
    names = registry.fresh_names(with_kept=True)
    assert names.logs == {"orders": "orders.**"}
    assert names.jobs == {"17": "mail.post dead"}
    daemon.now_s += FRESH_S
    assert registry.fresh_names().jobs == {"17": "mail.post dead"}
    assert daemon.asked.count("jobs") == 1
