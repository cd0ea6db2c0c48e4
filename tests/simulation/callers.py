"""Who asks commands: every way to ask, and what a caller may count on whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from askrd.core.session import Phase
from askrd.wire.bodies import Credit, ErrorBody, Json, Summary, dump, load
from askrd.wire.frames import (
    FLAG_KEPT,
    FLAG_MORE,
    FLAG_SEALED,
    FLAG_SILENT,
    FLAG_UP,
    Coding,
    Frame,
    Kind,
)
from tests.simulation.asking import Asked, Why
from tests.simulation.flows import Outflow
from tests.simulation.offers import PIECED, SAME_IDS, agreed
from tests.simulation.peers import Peer, said
from tests.simulation.wishes import draw_wish

if TYPE_CHECKING:
    from tests.simulation.world import World

REFUSED_AT_ONCE = frozenset({"limit_exceeded", "bad_request", "payload_too_large", "draining"})
"""Codes by which a call is refused before anybody looks for an instance."""


class Caller(Peer):
    """Asks commands in every way there is."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        hello.setdefault("streams", world.chance.random() < 0.8)
        hello.setdefault("kind", world.chance.choice(("", "terminal", "service")))
        super().__init__(world, workspace, name, **hello)
        self.asks: dict[int, Asked] = {}
        self.used: list[int] = []
        self.whys: dict[str, Why] = {}

    # ── asking ────────────────────────────────────────────────────────────────────────────

    def calls(self) -> None:
        """Calls commands, now and then many at once."""
        for _ in range(self.world.chance.choice((1, 1, 1, 1, 1, 10))):
            self.call()

    def call(self) -> None:
        """Calls a command, now and then after asking who would get it."""
        chance = self.world.chance
        address, options = draw_wish(chance, self.world.known_instances(self.workspace))
        if address == "$askr.stats" and self.world.is_cut:
            address = "$askr.ping"  # the count of bytes read depends on how they were cut
        asked = self._new(address, options)
        if asked.run and chance.random() < 0.5:
            self._send(self._new(address, options), None)
            asked = self._new(address, options)
        asked.is_silent = not address.startswith("$") and chance.random() < 0.06
        why = None
        if chance.random() < 0.03:
            self.call_again()
            return
        if chance.random() < 0.15 and not address.startswith("$") and not asked.run:
            why = self._ask_why(asked)
        self._send(asked, why)

    def _new(self, address: str, options: dict[str, Any]) -> Asked:
        token = f"{self.connection.index}.{self.requests + 1}"
        asked = Asked(token, address, options)
        if options.get("idempotency_key"):
            asked.run = (self.workspace, address, options["idempotency_key"])
        return asked

    def _send(self, asked: Asked, why: Why | None) -> None:
        chance = self.world.chance
        ttl_ms = chance.choice((0, 30, 200, 900, 4_000))
        book = self.world.book
        book.asked[asked.token] = asked
        book.askers[asked.token] = (self.session.suffix, ttl_ms)
        if asked.options or "@" in asked.address:
            book.selected.add(asked.token)
        id_ = self._used_id()
        size = chance.choice((0,) * 12 + (300, 300, 1_500, 2_200))
        fields: dict[str, Any] = {"hops": chance.choice((0,) * 18 + (7, 8))}
        if chance.random() < 0.1:
            fields["head"] = b'{"trace":"1"}'
        fields["flags"] = FLAG_SILENT if asked.is_silent else 0
        if chance.random() < 0.03:
            fields["flags"] |= chance.choice((FLAG_SEALED, FLAG_MORE))
        if asked.options:
            fields["options"] = dump(asked.options)
        if asked.options.get("upload") and not asked.is_silent:
            asked.up = Outflow(chance.randint(0, 9))
        asked.has_used_id = id_ > 0
        id_ = id_ or self.requests + 1
        self.asks[id_] = self.world.ledger.asks[self.session, id_] = asked
        body = {"w": self.workspace, "t": asked.token, "pad": "x" * size}
        arrived = self._why_arrived(why) if why is not None else None
        self.ask(Kind.CALL, asked.address, body, id_=id_, token=asked.token, ttl_ms=ttl_ms,
                 arrived=arrived, **fields)  # fmt: skip
        if asked.up is not None:
            self.push(id_, asked)

    def _used_id(self) -> int:
        """Returns an id that was used before, now and then; 0 = a new one."""
        return self.used.pop() if self.used and self.world.chance.random() < 0.2 else 0

    def call_again(self) -> None:
        """Calls a command under an id that is still in use, as far as is known here."""
        ids = [id_ for id_ in self.open if self.is_plain(self.asks.get(id_))]
        if not ids:
            return
        token = f"{self.connection.index}.{self.requests + 1}"
        asked = Asked(token, "agent.fetch", {}, is_ambiguous=True)
        self.asks[ids[0]].is_ambiguous = True
        self.world.book.asked[token] = asked
        self.world.book.askers[token] = (self.session.suffix, 0)
        self.ask(
            Kind.CALL, "agent.fetch", {"w": self.workspace, "t": token}, id_=ids[0], token=token
        )

    def is_plain(self, asked: Asked | None) -> bool:
        """Says whether its id may be used again."""
        if asked is None or asked.options or "@" in asked.address:
            return False
        return asked.command in SAME_IDS

    def cancel(self) -> None:
        """Cancels something it waits for, or nothing."""
        chance = self.world.chance
        id_ = chance.choice(list(self.open) or [7_777])
        asked = self.asks.get(id_)
        session = self.session
        if asked is not None:
            asked.may_be_cancelled = True

        def arrived() -> None:
            if asked is not None and session.phase is Phase.OPEN:
                asked.is_cancelled = True

        self.say(Frame(kind=Kind.CANCEL, id=id_), arrived)

    # ── asking why ────────────────────────────────────────────────────────────────────────

    def _ask_why(self, asked: Asked) -> Why:
        why = Why(asked)
        token = f"why {self.requests + 1}"
        self.whys[token] = why

        def arrived() -> None:
            why.input = self.world.inputs

        body = {"target": asked.address} | asked.options
        self.ask(Kind.CALL, "$askr.why", body, token=token, arrived=arrived)
        asked.token = f"{self.connection.index}.{self.requests + 1}"
        return why

    def _why_arrived(self, why: Why) -> Any:
        def arrived() -> None:
            if why.input == self.world.inputs:
                why.taken = [member.stamp for member in why.asked.chosen]

        return arrived

    def _judge(self, why: Why) -> None:
        """Holds that what `$askr.why` said is what happened next."""
        if why.reply is None or why.taken is None or why.asked.is_ambiguous:
            return
        self.world.book.judged += 1
        verdict, asked, taken = why.reply["verdict"], why.asked, set(why.taken)
        chosen = {
            f"{row['service']}@{row['instance']}".encode()
            for row in why.reply["candidates"]
            if row["verdict"] == "chosen"
        }
        if asked.code in REFUSED_AT_ONCE and not taken:
            return
        if verdict == "chosen" and asked.is_survey:
            assert taken <= chosen, f"why said {chosen}, and {taken} were asked"
            is_early = asked.options.get("first") or asked.options.get("quorum")
            assert is_early or chosen - taken <= asked.rows.keys(), "why chose somebody unasked"
        elif verdict == "chosen":
            assert taken == chosen, f"why said {chosen}, and {taken} got it"
        elif verdict != "waits" and not asked.options.get("wait_ms"):
            assert not taken, f"why said {verdict}, and {taken} got it"
            assert asked.code == verdict, f"why said {verdict}, the outcome is {asked.code}"

    # ── what comes back ───────────────────────────────────────────────────────────────────

    def token_of(self, frame: Frame, tokens: list[str]) -> str:
        body = said(frame)
        if not isinstance(body, dict) or "t" not in body or body["t"] in tokens:
            return super().token_of(frame, tokens)
        book = self.world.book
        run, other = book.asked[tokens[0]].run, book.asked[body["t"]].run
        assert run is not None, f"a reply to {body['t']} came as the answer to {tokens}"
        assert run == other, "an outcome of another idempotency key"
        assert frame.stamp.decode() == body["by"]
        return tokens[0]

    def row(self, frame: Frame) -> None:
        asked = self.asks[frame.id]
        assert asked.end is None, "a row came after the outcome"
        assert asked.is_survey, f"a row for {asked.address} {asked.options}"
        assert frame.stamp not in asked.rows, f"two rows of {frame.stamp!r}"
        body = said(frame)
        if frame.kind == Kind.REPLY and isinstance(body, dict):
            assert body["t"] == asked.token
            assert body["by"] == frame.stamp.decode()
        if frame.kind == Kind.FAIL:
            details = load(ErrorBody, frame.payload, "row").details
            if details.get("delivered") == "no":
                self.world.book.undelivered_rows.add((asked.token, frame.stamp.decode()))
        asked.rows[frame.stamp] = frame
        self.world.book.outcomes["row"] += 1

    def ended(self, frame: Frame, token: str) -> None:
        super().ended(frame, token)
        if token.startswith("why") and frame.kind == Kind.REPLY:
            self.whys[token].reply = said(frame)
        asked = self.world.book.asked.get(token)
        if asked is not None:
            asked.end = frame
            if frame.kind != Kind.ERROR:
                self._command_ended(frame, asked)

    def _command_ended(self, frame: Frame, asked: Asked) -> None:
        book = self.world.book
        if frame.id not in self.open and self.is_plain(asked):
            self.used.append(frame.id)
        if asked.up is not None:
            asked.up.is_over = True
        if frame.kind == Kind.FAIL and not frame.stamp:
            error = load(ErrorBody, frame.payload, "fail")
            is_credit = error.details.get("limit") == "stream_items"
            assert not is_credit or asked.run or asked.token in book.spoiled, (
                "a correct sender was cut off"
            )
            if error.details.get("delivered") == "no" and not asked.run:
                book.undelivered.add(asked.token)
        is_in_pieces = asked.down.taken > 0 or asked.code == "payload_too_large"
        is_free = asked.may_be_cancelled or asked.is_ambiguous
        may_be_cancelled = is_free or (asked.run and asked.command in PIECED)
        assert asked.code != "cancelled" or may_be_cancelled or frame.stamp, "nobody cancelled it"
        if asked.run is not None and frame.stamp and not is_in_pieces:
            outcome = (frame.kind, frame.payload, frame.stamp)
            first = book.runs.setdefault(asked.run, outcome)
            assert outcome == first, f"two outcomes of {asked.run}: {first} and {outcome}"
            book.outcomes["kept"] += bool(frame.flags & FLAG_KEPT)
        elif asked.run is None:
            assert not frame.flags & FLAG_KEPT, "it was asked for the first time"
        if frame.kind == Kind.REPLY and not asked.address.startswith("$"):
            self._replied(frame, asked)
        elif frame.kind == Kind.FAIL and asked.rows:
            assert asked.code == "cancelled", f"rows, and then {asked.code}"

    def _replied(self, frame: Frame, asked: Asked) -> None:
        if asked.is_survey:
            self._surveyed(frame, asked)
            return
        assert frame.stamp, "nobody says that"
        mode = agreed(asked.command, asked.options.get("reply", ""), is_silent=asked.is_silent)
        body = said(frame)
        self.world.book.outcomes[f"mode {mode}"] += 1
        if mode in {"none", "ack"} and asked.run is None:
            assert not frame.payload, f"{mode} has no value"
        elif isinstance(body, dict):
            assert body.get("n", 0) == asked.down.taken, "items were lost"
            assert asked.down.by in {b"", frame.stamp}, "items came from somebody else"

    def _surveyed(self, frame: Frame, asked: Asked) -> None:
        """Holds that the summary says what the rows were, and that there is one of each member."""
        assert frame.stamp == self.world.router.board.daemon.stamp
        summary = load(Summary, frame.payload, "summary")
        self.world.book.outcomes["summary"] += 1
        good = {stamp for stamp, row in asked.rows.items() if row.kind == Kind.REPLY}
        lost = {stamp for stamp in asked.rows.keys() - good if _is_lost(asked.rows[stamp])}
        bad = asked.rows.keys() - good - lost
        if asked.is_silent or asked.command == "hint":
            assert not asked.rows, "a row for what was told"
            assert summary.ok == len(asked.chosen), "others were told than is said"
            return
        assert (summary.ok, summary.failed, summary.lost) == (len(good), len(bad), len(lost))
        enough = 1 if asked.options.get("first") else asked.options.get("quorum", 0)
        if asked.members is not None:
            assert asked.rows.keys() <= asked.members, "a row of nobody who was asked"
            is_all = asked.rows.keys() == asked.members
            assert is_all or (enough and len(good) >= enough), "a member has no row"

    def on_progress(self, frame: Frame) -> None:
        tokens = self.open.get(frame.id)
        assert tokens, "progress came after the outcome"
        body = said(frame)
        assert isinstance(body, dict)
        run = self.world.book.asked[tokens[0]].run
        assert body["t"] in tokens or run, "progress of another command"

    # ── streams ───────────────────────────────────────────────────────────────────────────

    def push(self, id_: int, asked: Asked) -> None:
        """Sends what there is to upload, as far as the receiver takes it."""
        out, chance = asked.up, self.world.chance
        if out is None or out.is_over or not self.is_there:
            return
        while self.may_push(asked, out):
            self._push_item(id_, asked, out)
            if chance.random() < 0.3:
                delay_us = chance.choice((1_000, 100_000))
                self.world.later(delay_us, lambda: self.push(id_, asked))
                return
        if out.sent >= out.total:
            out.is_over = True
            kind, payload = Kind.END, b""
            if chance.random() < 0.2:
                kind, payload = Kind.RESET, dump(ErrorBody(code="gone", message="no more"))
            self.world.book.uploads[asked.token] = (kind, out.sent)
            coding = Coding.JSON if payload else Coding.NONE
            self.say(Frame(kind=kind, id=id_, flags=FLAG_UP, payload=payload, coding=coding))
            self.pushed(id_, asked)

    def pushed(self, id_: int, asked: Asked) -> None:
        """Has sent all that there was to upload."""

    def may_push(self, asked: Asked, out: Outflow) -> bool:
        """Says whether the next item may go."""
        return out.may_send

    def _push_item(self, id_: int, asked: Asked, out: Outflow) -> None:
        size = self.world.chance.choice((0, 30, 200, 700))
        body: Json = {"w": self.workspace, "t": asked.token, "i": out.sent, "pad": "x" * size}
        payload = dump(body)
        self.say(Frame(kind=Kind.ITEM, id=id_, flags=FLAG_UP, payload=payload, coding=Coding.JSON))
        out.spend(len(payload))

    def on_item(self, frame: Frame) -> None:
        asked = self.asks[frame.id]
        if asked.end is not None:
            assert asked.end.kind == Kind.FAIL, "an item came after the reply"
            assert not asked.end.stamp, "an item came after the instance's fail"
            return
        assert not asked.is_survey
        assert asked.down.by in {b"", frame.stamp}, "items of two instances"
        asked.down.by = frame.stamp
        body = said(frame)
        other = self.world.book.asked[body["t"]]
        assert other is asked or (asked.run and other.run == asked.run), (
            "an item of another command"
        )
        asked.down.take(body["i"], len(frame.payload))
        self.world.book.outcomes["item"] += 1
        delay_us = self.world.chance.choice((0, 20_000, 400_000))
        if self.world.chance.random() < 0.9:
            self.world.later(delay_us, lambda: self._grant(frame.id, asked))

    def _grant(self, id_: int, asked: Asked) -> None:
        if asked.end is None and self.is_there:
            self.say(credit_frame(id_, self.more_credit(asked), flags=0))

    def more_credit(self, asked: Asked) -> Credit:
        """Returns how much more of a stream it takes."""
        return asked.down.grant()

    def on_credit(self, frame: Frame) -> None:
        asked = self.asks[frame.id]
        if asked.up is not None:
            asked.up.grant(load(Credit, frame.payload, "credit"))
            self.push(frame.id, asked)

    def check(self) -> None:
        super().check()
        for why in self.whys.values():
            self._judge(why)


def credit_frame(id_: int, credit: Credit, *, flags: int) -> Frame:
    """Returns the frame that says what a receiver takes besides."""
    return Frame(kind=Kind.CREDIT, id=id_, payload=dump(credit), coding=Coding.JSON, flags=flags)


def _is_lost(row: Frame) -> bool:
    error = load(ErrorBody, row.payload, "row")
    return error.code == "instance_lost" and error.at == "daemon"
