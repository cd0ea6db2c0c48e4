"""`askr send`: a command, and what it answers with: a value, items, or a row of each instance."""

from typing import Annotated

import typer

from askr_cli.commands.arguments import Lines, RawPayload, Words, asks_for_lines
from askr_cli.commands.send_options import SendOptions
from askr_cli.commands.sending import Sending
from askr_cli.commands.upload_pieces import STDIN
from askr_cli.durations import duration_ms
from askr_cli.exits import Exit, Usage
from askr_cli.payload import json_of, read_payload
from askr_cli.terminal import Terminal
from askrd.wire.limits import GATHERED_BYTES_MAX
from askrd.wire.names import shown

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="[service[@selector].]command, see askr help addresses",
        show_default=False,
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="K=V", help="a header for the service; repeatable"),
]
Raw = Annotated[bool, typer.Option("--raw", help="write the value's bytes; not to a terminal")]
Every = Annotated[bool, typer.Option("--all", help="ask every instance, print a row of each")]
First = Annotated[bool, typer.Option("--first", help="ask every instance until one did it")]
Quorum = Annotated[
    int | None, typer.Option("--quorum", min=1, metavar="N", help="... until N of them did it")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ID", help="do not ask this instance; repeatable"),
]
Tell = Annotated[bool, typer.Option("--tell", help="want no answer, leave when it is on its way")]
Ack = Annotated[bool, typer.Option("--ack", help="leave when it is accepted; the work goes on")]
Stream = Annotated[bool, typer.Option("--stream", help="print items as they come, one a line")]
In = Annotated[
    str | None,
    typer.Option("--in", metavar="FILE", help="upload a file in pieces; - is standard input"),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="K", help="the same key, the same instance (policy hash)"),
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="K", help="sent again under this key, it runs once"),
]
Wait = Annotated[
    int | None,
    typer.Option(
        "--wait", metavar="D", parser=duration_ms, help="wait for somebody to offer the command"
    ),
]
TraceFlag = Annotated[
    bool, typer.Option("--trace", help="send a trace id; say it, who answered and the times")
]


def send(
    terminal: Terminal,
    target: Target,
    payload: Words = None,
    *,
    header: Headers = None,
    raw_payload: RawPayload = None,
    lines: Lines = None,
    raw: Raw = False,
    every: Every = False,
    first: First = False,
    quorum: Quorum = None,
    exclude: Exclude = None,
    tell: Tell = False,
    ack: Ack = False,
    stream: Stream = False,
    upload: In = None,
    key: Key = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = None,
    trace: TraceFlag = False,
) -> int:
    """Sends a command and prints what it answers with."""
    options = SendOptions(
        every=every, first=first, quorum=quorum or 0, exclude=tuple(exclude or ()),
        tell=tell, ack=ack, stream=stream, upload=upload, key=key,
        idempotency_key=idempotency_key, wait_ms=wait or 0, raw=raw, lines=lines is not None,
    )  # fmt: skip
    options.check(target)
    if raw:
        _check_raw(terminal)
    words = payload or []
    if upload == STDIN and words == [STDIN]:
        raise Usage("standard input is read once: as the payload (-) or as the upload (--in -)")
    sending = Sending(
        terminal, target, options, headers=_headers(header or []), words=words, is_traced=trace
    )
    if not asks_for_lines(lines, payload=bool(words) or raw_payload is not None):
        body = read_payload(
            words,
            raw_file=raw_payload,
            read_stdin=lambda: terminal.read_stdin(GATHERED_BYTES_MAX),
            bytes_max=GATHERED_BYTES_MAX,
        )
        return sending.run(body)
    code: int = Exit.DONE
    for number, line in enumerate(terminal.read_lines(), start=1):
        code = sending.run(json_of(line, f"line {number}")) or code
    return code


def _check_raw(terminal: Terminal) -> None:
    terminal.refuse_raw_on_terminal()
    if terminal.json:
        raise Usage("--raw and --json exclude each other")


def _headers(pairs: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Usage(f"{shown(pair)} is no header: write --header name=value")
        headers[name] = value
    return headers
