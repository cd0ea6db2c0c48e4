"""What the tests of the conversation share: a peer past its opening, and those who wait for it."""

import json
from typing import Any

from askrd.sdk.conversation import Conversation
from askrd.sdk.hearing import PLAIN, Hearing
from askrd.sdk.subscriptions import Subscription
from askrd.sdk.values import Event
from askrd.wire import bodies
from askrd.wire.codec import decode
from askrd.wire.errors import AskrError
from askrd.wire.frames import FLAG_KEPT, FLAG_OPTIONS, Coding, Frame, Kind


class Promise:
    """Remembers what it got."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.error: AskrError | None = None

    def done(self) -> bool:
        return self.frame is not None or self.error is not None

    def set_result(self, frame: Frame, /) -> None:
        assert not self.done()
        self.frame = frame

    def set_exception(self, error: AskrError, /) -> None:
        assert not self.done()
        self.error = error


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.subscription = Subscription(self.told.append, self.told.append)


def body(kind: Kind, value: Any, **fields: Any) -> Frame:
    return Frame(kind=kind, payload=bodies.dump(value), coding=Coding.JSON, **fields)


def welcome(epoch: str = "e1", **limits: int) -> Frame:
    return body(
        Kind.WELCOME,
        bodies.Welcome(
            v=1, id="askr-me-k3Tz9a", instance="k3Tz9a", workspace="askr", daemon="d", epoch=epoch,
            resume="secret", version="0.1.0", limits=limits,
        ),
    )  # fmt: skip


def fail(id_: int, code: str, *, stamp: bytes = b"", **members: Any) -> Frame:
    return body(Kind.FAIL, {"code": code, "message": "no", **members}, id=id_, stamp=stamp)


def said(conversation: Conversation) -> list[Frame]:
    return [decode(frame) for frame in conversation.exchange.take()]


def kinds(conversation: Conversation) -> list[int]:
    return [frame.kind for frame in said(conversation)]


def opened(**options: Any) -> Conversation:
    conversation = Conversation(name="me", **options)
    conversation.opened(0.0)
    conversation.receive([welcome()], 0.0)
    conversation.exchange.take()
    return conversation


def called(conversation: Conversation, **options: Any) -> tuple[int, Promise]:
    promise = Promise()
    id_ = conversation.call("agent.fetch", b"1", Coding.JSON, promise, **options)
    return id_, promise


def event(seq: int, subject: str, payload: bytes = b"") -> Frame:
    return Frame(kind=Kind.EVENT, id=seq, name=subject.encode(), payload=payload, coding=1)


def marked(
    seq: int, subject: str, payload: Any = None, *, kept: bool = False, **options: Any
) -> Frame:
    return Frame(
        kind=Kind.EVENT, id=seq, name=subject.encode(), payload=bodies.dump(payload), coding=Coding.JSON,
        options=bodies.dump(options), flags=FLAG_OPTIONS | (FLAG_KEPT if kept else 0),
    )  # fmt: skip


def subbed(id_: int, seq: int = 0) -> Frame:
    return body(Kind.SUBBED, {"seq": seq}, id=id_) if seq else Frame(kind=Kind.SUBBED, id=id_)


def seqs(listener: Listener) -> list[Any]:
    return [one.seq if isinstance(one, Event) else one for one in listener.told]


def options_of(frame: Frame) -> Any:
    return json.loads(frame.options or b"{}")


def listening(
    conversation: Conversation, pattern: str = "X", wanted: Hearing = PLAIN, *, seq: int = 0
) -> tuple[int, Listener]:
    """A subscription that the daemon has confirmed."""
    listener = Listener()
    id_ = conversation.subscribe(pattern, listener.subscription, wanted)
    conversation.receive([subbed(id_, seq)], 0.0)
    conversation.exchange.take()
    return id_, listener


def comes_back(conversation: Conversation, epoch: str = "e1") -> list[Frame]:
    """A new session; returns the subscriptions that begin it."""
    conversation.lost("cut")
    conversation.opened(1.0)
    conversation.receive([welcome(epoch)], 1.0)
    return [frame for frame in said(conversation) if frame.kind == Kind.SUB]
