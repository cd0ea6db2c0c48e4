"""`askr emit --collect`: an event whose listeners answer, and the answers as they come."""

from askr_cli.commands.frames import payload_members, show
from askr_cli.commands.survey_words import row_line, row_object
from askr_cli.exits import Exit
from askr_cli.payload import Payload
from askr_cli.terminal import Terminal
from askrd.sdk.values import Emitted
from askrd.wire.errors import NotFound
from askrd.wire.names import shown

COLLECT_S = 2.0
"""How long answers are waited for; `--timeout` says otherwise."""


def collect_answers(
    terminal: Terminal, event: str, payload: Payload, *, require_listener: bool
) -> int:
    """Emits an event once and prints what its listeners answer; returns the exit code.

    Args:
        terminal: where to print; its timeout is how long to wait for answers.
        event: its name.
        payload: what goes with it.
        require_listener: whether it is a failure when nobody listens.

    Raises:
        NotFound: nobody listens, and somebody should.
    """
    wait_s = COLLECT_S if terminal.timeout_s is None else terminal.timeout_s
    if terminal.dry_run:
        members = payload_members(payload)
        ttl_ms = round(wait_s * 1000)
        return show(terminal, "emit", event=event, **members, collect=True, ttl=ttl_ms)
    with terminal.client().collecting(event, payload, timeout=wait_s) as answers:
        count = 0
        for row in answers:
            count += 1
            if terminal.json:
                terminal.print_json(row_object(row))
            else:
                terminal.write_safe(row_line(row))
        told = answers.emitted
        assert told is not None  # the answers have ended
    if require_listener and not told.receivers:
        raise nobody_listens(event, told.seq)
    _sum_up(terminal, event, told, count)
    return Exit.DONE


def _sum_up(terminal: Terminal, event: str, told: Emitted, answers: int) -> None:
    if terminal.json:
        terminal.print_json(
            {
                "ok": True,
                "event": event,
                "receivers": told.receivers,
                "seq": told.seq,
                "answers": answers,
            }
        )
        return
    said = "1 answer" if answers == 1 else f"{answers} answers"
    to = listeners(told.receivers, told.receivers)
    terminal.note(f"emitted {event} to {to}: {said}")


def nobody_listens(event: str, seq: int) -> NotFound:
    """Returns the failure of an event that reached no one, and should have."""
    return NotFound(
        f"nobody listens to {shown(event)}; it was emitted and reached no listener. "
        f"Listen to it: askr listen {event}",
        details={"event": event, "receivers": 0, "seq": seq},
    )


def listeners(fewest: int, most: int) -> str:
    """Returns how many heard an event, for people: `2 listeners`, `1 to 3 listeners`."""
    if fewest != most:
        return f"{fewest} to {most} listeners"
    return "1 listener" if most == 1 else f"{most} listeners"
