"""A desk with jobs: what tests of how jobs are carried out have in common."""

from __future__ import annotations

from typing import Any

import msgspec

from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body, json


def worker(desk: Desk, hello: dict[str, Any] | None = None, /, **spec: Any) -> Mate:
    """Connects a peer whose command `agent.fetch` is a queue."""
    agent = desk.join("agent", **(hello or {}))
    commands = [{"name": "fetch", "queue": True} | spec]
    agent.say(json(Kind.PROVIDE, {"service": "agent", "commands": commands}, id=900))
    return agent


def ask(mate: Mate, argument: Any = None, id_: int = 1, **options: Any) -> Any:
    """Asks for a job and returns its id."""
    wants = msgspec.json.encode(options) if options else b""
    mate.say(json(Kind.CALL, argument, id=id_, name=b"agent.fetch", options=wants))
    (answer,) = [frame for frame in mate.heard() if frame.id == id_]
    return body(answer)["job"]


def options(frame: Frame) -> Any:
    """Returns what stands beside a call."""
    return msgspec.json.decode(frame.options)


def state(mate: Mate, job: str) -> Any:
    """Returns the state of a job."""
    return mate.ask("$askr.jobs.show", {"id": job})["state"]


def news(mate: Mate, subject: bytes = b"$askr.job.ended") -> list[Any]:
    """Returns the bodies of events of one subject that a peer got since the last time."""
    return [body(f) for f in mate.heard() if f.kind == Kind.EVENT and f.name == subject]
