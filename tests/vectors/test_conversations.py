"""Plays the conversations of tests/vectors against the router, as text peers would."""

import json
from pathlib import Path
from typing import Any

import pytest

from askrd.core.effects import Persist, Record
from askrd.core.router import Router
from askrd.core.session import Session
from askrd.core.switchboard import Daemon
from askrd.wire.codec import Assembly, decode, split
from askrd.wire.text import decode_text, encode_text

VECTORS = json.loads(Path(__file__).with_name("conversations.json").read_text(encoding="utf-8"))
DAEMON = Daemon(id="d1", epoch="e1", version="0.1.0", build="test", workspace="askr")
SUFFIXES = {"caller": "k3Tz9a", "one": "p01x7d", "two": "q7Rw2b"}
FLAGS = {"more", "up", "kept", "silent"}


class TextPeer:
    """One peer at a text door: says lines, and hears lines in order."""

    def __init__(self, router: Router, name: str, suffix: str) -> None:
        self.router = router
        self.heard: list[dict[str, Any]] = []
        self.session: Session = router.connect(
            suffix=suffix, secret="s", via="tcp+json", address="", now_us=1
        )
        self.say({"k": "hello", "v": 1, "name": name, "streams": True})
        assert self.next()["k"] == "welcome"

    def say(self, members: dict[str, Any]) -> None:
        self.router.feed(self.session, decode_text(json.dumps(members).encode()), 2)
        tickets = [e.ticket for e in self.router.effects if isinstance(e, Record | Persist)]
        self.router.effects.clear()
        if tickets:
            self.router.committed(tickets[-1], 2)

    def listen(self) -> None:
        data = b"".join(bytes(piece) for piece in self.session.outbox.take())
        for raw in split(Assembly(10**9), data):
            assert isinstance(raw, bytes)
            self.heard.append(json.loads(encode_text(decode(raw))))

    def next(self) -> dict[str, Any]:
        self.listen()
        assert self.heard, "there was nothing to hear"
        return self.heard.pop(0)

    def leave(self) -> None:
        self.router.lose(self.session, "closed", 2)


def fits(line: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a line says all that is wanted, and has no other flags."""
    return wanted.items() <= line.items() and FLAGS & set(line) == FLAGS & set(wanted)


@pytest.mark.parametrize("is_fast", [True, False], ids=["fast", "by the rules"])
@pytest.mark.parametrize("vector", VECTORS, ids=[vector["title"] for vector in VECTORS])
def test_a_conversation_goes_as_documented(vector: dict[str, Any], is_fast: bool) -> None:
    router = Router(DAEMON, fast=is_fast)
    peers = {"caller": TextPeer(router, "me", SUFFIXES["caller"])}
    for name in vector["instances"]:
        peers[name] = TextPeer(router, "agent", SUFFIXES[name])
        peers[name].say({"k": "provide", "id": 1} | vector["provides"])
        assert peers[name].next()["k"] == "provided"
    for step in vector["steps"]:
        peer = peers[step["by"]]
        if "says" in step:
            peer.say(step["says"])
        elif "hears" in step:
            line = peer.next()
            assert fits(line, step["hears"]), f"heard {line}, wanted {step['hears']}"
        else:
            peer.leave()
    for name, peer in peers.items():
        peer.listen()
        assert peer.heard == [], f"{name} heard more"
