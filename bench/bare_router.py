"""The source of the router with some of its checks taken out, to learn what they cost.

The variants are made from the source of `askrd.core.router` itself, so they cannot drift from it:
each `Check` lists the statements and conditions of `Router.feed` that are that check, as text that
is compared after parsing. When one of them is no longer found, making the variant fails and says
which. `bench.router_variants` makes routers of the changed source.
"""

import ast
from collections.abc import Collection
from dataclasses import dataclass

HOT = "feed"
TURN = """
def _turn_unchecked(route):
    service, members = route.service, route.members
    service.cursor = cursor = service.cursor + 1
    return members[cursor % len(members)]
"""
"""The round robin of a route without asking whether the instance can take a command now."""


class Drifted(Exception):
    """The router was changed and a check is no longer found in it; the text says which."""


@dataclass(frozen=True, slots=True)
class Change:
    """One statement or condition to take out or to put something else in the place of.

    Attributes:
        old: its source; formatting and comments do not matter.
        new: what stands there instead; empty to leave it out.
        times: how often it must be found.
    """

    old: str
    new: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Check:
    """A feature of the hot path that can be taken out alone.

    Attributes:
        name: stable id.
        title: what a reader of the table sees.
        changes: where it stands in `Router.feed`.
        is_added: it is not built there; the changes put it in.
    """

    name: str
    title: str
    changes: tuple[Change, ...]
    is_added: bool = False


def _drop(*olds: str) -> tuple[Change, ...]:
    return tuple(map(Change, olds))


CHECKS = (
    Check(
        "ids",
        "ids: range, and not in use already",
        _drop("0 < id_ <= ID_MAX", "id_ not in asking", "id_ not in taken"),
    ),
    Check(
        "bounds",
        "bounds: commands in flight, output before a flush",
        (
            *_drop("len(asking) < self._in_flight_max", "len(asked) < ASKED_MAX"),
            Change("queued += size", times=2),
            *_drop("queued += size * count", "board.queued_bytes += queued"),
        ),
    ),
    Check(
        "readiness",
        "readiness: the instance reads, answers, and is not saturated",
        (Change("route.turn()", "_turn_unchecked(route)"),),
    ),
    Check(
        "deadlines",
        "deadlines: default, wheel",
        (
            *_drop("ttl_ms = ttl_ms or route.timeout_ms"),
            Change("deadline_us = now_us + ttl_ms * 1000", "deadline_us = 0"),
            *_drop("if deadline_us < session.due_us:\n board.wheel.arm(session, deadline_us)"),
        ),
    ),
    Check(
        "statistics",
        "statistics: calls, latencies, events, bytes",
        (
            *_drop("session.bytes_in += len(data)", "route.statistics.calls += 1"),
            *_drop("remember(asked_now)"),
            *_drop("counted = route.statistics", "counted.replies += 1"),
            *_drop("counted.recent_us[counted.replies & RECENT_MASK] = now_us - came_us"),
            *_drop("audience.count += 1", "replies += 1", "emits += 1"),
            *_drop("deliveries += count"),
            Change("totals.add(replies, emits, deliveries)", times=2),
        ),
    ),
    Check(
        "frames",
        "frames: forged stamps, unusual flags, sizes",
        _drop("stamp_length", "tail & _UNUSUAL", "not 20 <= size - name_length <= size_max"),
    ),
    Check(
        "replies",
        "replies: from the one that was asked, once, still wanted",
        (
            *_drop("(caller := entry[0]) is not None", "caller is not session"),
            *_drop("(member := entry[2]) is not None", "not name_length", "entry[7] is None"),
            *_drop("if route.is_idempotent:\n session.again.pop(id_, None)"),
            *_drop("if route.is_idempotent:\n callee.again[rid] = frame"),
            Change(
                "_, caller_id, _, _, route, came_us, _, _ = entry",
                "caller, caller_id, member, _, route, came_us, _, _ = entry",
            ),
        ),
    ),
    Check(
        "memory",
        "memory: events kept for those who ask later",
        _drop("keep_event(frame)", "workspace.recent.add_large(frame)"),
    ),
    Check(
        "liveness",
        "liveness: when it was heard last",
        (
            Change("board.now_us = session.heard_us = now_us", "board.now_us = now_us"),
            *_drop(
                "if session.is_unresponsive:\n"
                " membership.judge(board, session, is_unresponsive=False)"
            ),
        ),
    ),
)
"""What the hot path checks and counts, together everything that the bare router lacks."""

PERMISSION = Check(
    "permission",
    "not built: a permission looked up for every command and event",
    (
        Change(
            "routes.get(raw[body : body + name_length])",
            "routes.get(raw[body : body + name_length])"
            " if raw[body : body + name_length] in routes else None",
        ),
        Change(
            "subjects.get(raw[body : body + name_length])",
            "subjects.get(raw[body : body + name_length])"
            " if raw[body : body + name_length] in subjects else None",
        ),
    ),
    is_added=True,
)
"""What a permission table beside the routes would add. A remembered route is the permission."""


def changed_source(source: str, checks: Collection[Check]) -> str:
    """Returns the source of the router without ``checks``.

    Raises:
        Drifted: a change does not fit ``source``.
    """
    tree = ast.parse(source)
    feed = _feed_of(tree)
    for check in checks:
        for change in check.changes:
            surgeon = _Surgeon(change)
            surgeon.visit(feed)
            if surgeon.found != change.times:
                raise Drifted(
                    f"the check '{check.name}' does not fit Router.{HOT} any more: expected "
                    f"{change.times} time(s), found {surgeon.found}: {change.old!r}. "
                    "Change its entry in bench/bare_router.py as the router was changed"
                )
    tree.body.extend(ast.parse(TURN).body)
    return ast.unparse(ast.fix_missing_locations(tree))


def _feed_of(tree: ast.Module) -> ast.FunctionDef:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == HOT]
    if len(found) != 1:
        raise Drifted(f"the router has {len(found)} functions called {HOT}, not one")
    return found[0]


class _Surgeon(ast.NodeTransformer):
    """Carries out one change wherever its old source stands, and counts how often it did."""

    def __init__(self, change: Change) -> None:
        self.found = 0
        statement = ast.parse(change.old).body[0]
        self._is_condition = isinstance(statement, ast.Expr)
        self._is_dropped = not change.new
        node = statement.value if isinstance(statement, ast.Expr) else statement
        self._old = ast.dump(node)
        self._new = change.new

    def visit(self, node: ast.AST) -> ast.AST | None:
        """Replaces ``node`` when it is the one that is meant."""
        if isinstance(node, ast.stmt) and self._is_statement(node):
            self.found += 1
            return ast.parse(self._new or "pass").body[0]
        if isinstance(node, ast.BoolOp):
            kept = [value for value in node.values if not self._is_left_out(value)]
            self.found += len(node.values) - len(kept)
            node.values = kept or [ast.Constant(isinstance(node.op, ast.And))]
            if len(node.values) == 1:
                return self.visit(node.values[0])
        elif self._new and isinstance(node, ast.expr) and ast.dump(node) == self._old:
            self.found += 1
            return ast.parse(self._new, mode="eval").body
        return self.generic_visit(node)

    def _is_statement(self, node: ast.stmt) -> bool:
        if self._is_condition:
            called = node.value if isinstance(node, ast.Expr) else None
            return self._is_dropped and called is not None and ast.dump(called) == self._old
        return ast.dump(node) == self._old

    def _is_left_out(self, value: ast.expr) -> bool:
        return self._is_condition and self._is_dropped and ast.dump(value) == self._old
