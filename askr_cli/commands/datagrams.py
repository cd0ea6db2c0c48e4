"""`askr emit --udp`: events in datagrams, of which nobody hears what became of them."""

from collections.abc import Iterator
from select import select

from askr_cli.exits import Exit, Usage
from askr_cli.payload import Payload
from askr_cli.terminal import Terminal
from askrd.sdk.channels import reached
from askrd.sdk.composition import plain_frame, subject_bytes
from askrd.sdk.datagrams import Datagrams
from askrd.sdk.shape import said
from askrd.sdk.where import find_datagrams
from askrd.wire.addresses import ListenAddress, parse_listen, parse_url
from askrd.wire.channels import UDP
from askrd.wire.errors import Busy, NotFound, PayloadTooLarge
from askrd.wire.frames import Kind

WRITABLE_S = 1.0
"""How long the system may take to take a datagram."""


def check_for_datagrams(*, wants_answer: bool) -> None:
    """Returns when what is asked for can be had with a datagram.

    Raises:
        Usage: it cannot; nothing was sent.
    """
    if wants_answer:
        raise Usage(
            "--udp hears nothing back: leave --retain, --collect and --require-listener out"
        )


def emit_in_datagrams(terminal: Terminal, event: str, bodies: Iterator[Payload]) -> int:
    """Emits an event once for each body, each in a datagram; returns the exit code.

    Args:
        terminal: says where the daemon is.
        event: its name.
        bodies: what goes with each.

    Raises:
        NotFound: the daemon takes no datagrams, as far as is known here.
        PayloadTooLarge: one is longer than a datagram.
        CannotConnect: nobody takes them there.
    """
    way = Datagrams(_address(terminal))
    try:
        for body in bodies:
            _send(way, event, body)
            if terminal.json:
                told = {"ok": True, "event": event, "receivers": None, "seq": None, "via": "udp"}
                terminal.print_json(told)
            elif terminal.verbose:
                terminal.note(f"sent {event} to {way.url}; it may be lost")
    finally:
        way.close()
    return Exit.DONE


def _send(way: Datagrams, event: str, body: Payload) -> None:
    payload, coding = said(body)
    frame = plain_frame(Kind.EMIT, 0, subject_bytes(event), payload, coding)
    if len(frame) > way.bytes_max:
        raise PayloadTooLarge(
            f"{event} has {len(frame)} bytes with its payload; a datagram to {way.url} has at "
            f"most {way.bytes_max}. Nothing was sent: leave --udp out",
            details={"bytes": len(frame), "bytes_max": way.bytes_max},
            at="client",
        )
    if not way.send(frame) and not (select([], [way], [], WRITABLE_S)[1] and way.send(frame)):
        raise Busy(f"the system takes no more datagrams to {way.url} now", at="client")
    way.look()


def _address(terminal: Terminal) -> ListenAddress:
    """Returns where the daemon takes datagrams: as it wrote down here, or as its welcome says."""
    profile = terminal.profile
    if profile.workspace is not None:
        raise Usage(
            f"--udp emits in the daemon's own workspace, and {profile.workspace} was asked for "
            f"({profile.origins['workspace']}): leave one of them out"
        )
    found = find_datagrams(profile.url, environ=terminal.environ)
    if found:
        return found[0]
    client = terminal.client()
    welcome, here = client.welcome, parse_url(client.url)
    assert welcome is not None  # it is connected
    for channel in welcome.channels:
        way = reached(parse_listen(channel.url), here, here.host) if channel.via == UDP else None
        if way is not None:
            return way
    raise NotFound(
        f"the daemon at {client.url} takes no datagrams, as far as it says. Leave --udp out, or "
        "have it listen: askrd serve --listen udp://127.0.0.1:8800 beside its other addresses",
        details={"url": client.url},
        at="client",
    )
