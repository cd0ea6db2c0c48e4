"""Throws any bytes at the router: it raises nothing, and other sessions lose nothing."""

from hypothesis import given, strategies as st

from askrd.wire.codec import encode
from askrd.wire.frames import (
    FLAG_HEAD,
    FLAG_MORE,
    FLAG_OPTIONS,
    FLAG_SILENT,
    FLAG_UP,
    HEADER,
    Frame,
    Kind,
)
from askrd.wire.limits import ID_MAX, Limits
from tests.fuzz.throwing import frames, fuzzed
from tests.unit.askrd.core.desk import SECOND, Desk, Mate

LIMITS = Limits(payload_bytes_max=500, outbox_frames_max=20, commands_in_flight_max=5)
kinds = st.sampled_from([*Kind, 0, 0x7F, 0xFF])
ids = st.sampled_from([0, 1, 2, 3, 4, ID_MAX])
names = st.sampled_from(
    [b"", b"agent.fetch", b"fetch", b"news.a", b"news.*", b"a/b", b"$askr.stats", b"$askr.describe",
     b"@agent/k", b"agent@i0.fetch", b"\xff", b"a b", b"agent@*.fetch", b"*@*.fetch", b"honest.fetch",
     b"honest@*.fetch", b"honest@{version=^2}.fetch", b"$askr.why", b"$askr.disable"]
)  # fmt: skip
bodies = st.sampled_from(
    [b"", b"{}", b"[]", b"1", b'"agent"', b'{"v":1}', b'{"target":"fetch"}', b'{"code":"x"}',
     b'{"service":"agent"}', b'{"service":"mine","commands":[{"name":"fetch"}]}', b"{", b"\xff",
     b'{"v":1,"instance":"i0","resume":"s0"}', b"x" * 600, b'{"prefix":true}', b'{"if_rev":0}',
     b'{"items":3,"bytes":99}', b'{"items":-1,"bytes":0}', b'{"items":9999999999,"bytes":1}',
     b'{"target":"agent@*.fetch","all":true}', b'{"event":"news.a"}', b'{"id":1}', b'{"id":true}',
     b'{"service":"agent","commands":[{"name":"fetch","reply":"stream","upload":true}]}',
     b'{"service":"agent","policy":"hash","concurrency":1,"commands":[{"name":"fetch"}]}',
     b'{"service":"agent","commands":[{"name":"fetch","mode":"broadcast","idempotent":true}]}',
     b'{"v":1,"name":"x","instance":"i0","resume":"s0","resumable":true,"received":0}']
)  # fmt: skip
likely = st.builds(
    Frame,
    kind=kinds,
    id=ids,
    name=names,
    payload=bodies,
    coding=st.sampled_from([0, 1, 1, 1, 2, 3, 9]),
    flags=st.sampled_from(
        [0, 0, 0, FLAG_MORE, 0x10, 0x80, FLAG_UP, FLAG_SILENT, FLAG_UP | FLAG_MORE]
    ),
    ttl_ms=st.sampled_from([0, 1, 2**32 - 1]),
    hops=st.sampled_from([0, 0, 7, 8]),
    options=st.sampled_from(
        [
            b"",
            b"",
            b'{"prefix":true}',
            b'{"if_rev":0}',
            b"{",
            b'{"all":true}',
            b'{"reply":"ack"}',
            b'{"reply":"stream"}',
            b'{"upload":"items"}',
            b'{"upload":"payload"}',
            b'{"wait_ms":900}',
            b'{"idempotency_key":"k"}',
            b'{"first":true,"all":true}',
            b'{"exclude":["i0"]}',
            b'{"version":"^2"}',
            b'{"version":"\xff"}',
            b'{"quorum":99999999999999999999}',
        ]
    ),
    stamp=st.sampled_from([b"", b"", b"", b"me@1"]),
).map(encode)
in_parts = st.tuples(likely, ids, st.integers(1, 30)).map(
    lambda given_: (
        encode(Frame(kind=Kind.PART, id=given_[1], payload=given_[0][: given_[2]], flags=FLAG_MORE))
        + encode(Frame(kind=Kind.PART, id=given_[1], payload=given_[0][given_[2] :]))
    )
)
headers = st.builds(
    lambda size, kind, flags, rest: HEADER.pack(size, kind, 0, 0, 1, 0, flags << 8) + rest,
    st.sampled_from([0, 19, 20, 21, 30, 70_000, 2**31, 2**32 - 1]),
    kinds.map(int),
    st.sampled_from([0, FLAG_HEAD, FLAG_OPTIONS]),
    st.binary(max_size=40),
)
pieces = st.one_of(
    likely, likely, likely, in_parts, headers, frames.map(encode), st.binary(max_size=40)
)
inputs = st.lists(st.tuples(pieces, st.integers(0, 80)), max_size=12)


class Honest:
    """Two peers that talk to each other, whatever a third one says."""

    def __init__(self, desk: Desk) -> None:
        self.service = desk.offer(
            "honest",
            {"name": "fetch"},
            {"name": "tail", "reply": "stream"},
            {"name": "quick", "reply": "ack"},
        )
        self.caller = desk.join("caller")
        self.caller.sub(900, "honest.**")
        self.caller.heard()
        self.rounds = 0

    def talk(self) -> None:
        """Has one command, one event and one write go through."""
        self.rounds += 1
        self.caller.call(1, "honest.fetch", payload=b"q")
        calls = [f for f in self.service.heard() if f.name == b"honest.fetch" and f.payload == b"q"]
        self.service.reply(calls[-1].id, str(self.rounds).encode())
        self.service.emit("honest.news", payload=str(self.rounds).encode())
        self.service.put(2, "@honest/k", self.rounds)
        self.caller.get(3, "@honest/k")
        heard = [f for f in self.caller.heard() if f.kind in (Kind.REPLY, Kind.EVENT, Kind.OK)]
        mine = [f.payload for f in heard if f.kind != Kind.EVENT or f.name == b"honest.news"]
        assert mine.count(str(self.rounds).encode()) == 3, "a reply, an event and a value"
        self._stream()
        self._survey()

    def _stream(self) -> None:
        self.caller.want(4, "honest.tail", reply="stream")
        rid = self._asked(b"honest.tail")
        for _ in range(3):
            self.service.item(rid)
        self.service.reply(rid)
        heard = [f.kind for f in self.caller.heard() if f.id == 4]
        assert heard == [Kind.ITEM, Kind.ITEM, Kind.ITEM, Kind.REPLY]

    def _survey(self) -> None:
        self.caller.call(5, "honest@*.quick")
        rid = self._asked(b"honest.quick")
        self.service.accept(rid)
        self.service.reply(rid)
        rows = [f.flags & FLAG_MORE for f in self.caller.heard() if f.id == 5]
        assert rows == [FLAG_MORE, 0], "a row, and the outcome"

    def _asked(self, name: bytes) -> int:
        """Returns the id of the caller's command, whatever else the service was asked."""
        stamp = self.caller.session.origin
        calls = [f for f in self.service.heard() if f.name == name and f.stamp == stamp]
        return calls[-1].id


def throw(mate: Mate, thrown: list[tuple[bytes, int]]) -> None:
    """Feeds everything, each piece cut in two."""
    for data, cut in thrown:
        mate.feed(data[:cut])
        mate.feed(data[cut:])


@fuzzed
@given(inputs, st.booleans(), st.booleans())
def test_any_bytes_raise_nothing_and_others_lose_nothing(
    thrown: list[tuple[bytes, int]], is_open: bool, is_fast: bool
) -> None:
    desk = Desk(limits=LIMITS, is_fast=is_fast)
    honest = Honest(desk)
    vandal = desk.join("vandal") if is_open else desk.connect()
    for step in range(0, len(thrown), 3):
        throw(vandal, thrown[step : step + 3])
        honest.talk()
    vandal.heard()
    desk.after(SECOND)
    vandal.lose()
    honest.talk()


@fuzzed
@given(inputs)
def test_any_bytes_mean_the_same_on_both_paths_and_however_cut(
    thrown: list[tuple[bytes, int]],
) -> None:
    outputs = []
    for is_fast, is_cut in ((True, True), (True, False), (False, False)):
        desk = Desk(limits=LIMITS, is_fast=is_fast, is_stored=False)
        desk.serve("honest")
        vandal = desk.join("vandal")
        if is_cut:
            throw(vandal, thrown)
        else:
            vandal.feed(b"".join(data for data, _ in thrown))
        outputs.append([b"".join(map(bytes, mate.session.outbox.take())) for mate in desk.peers])
    assert outputs[0] == outputs[1] == outputs[2]
