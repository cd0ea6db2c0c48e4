"""`askr ping`: is the daemon there, which one is it, and how far away."""

from askr_cli.commands.frames import show_call
from askr_cli.durations import duration_text
from askr_cli.terminal import Terminal


def ping(terminal: Terminal) -> int:
    """Prints the round trip to the daemon."""
    if terminal.dry_run:
        return show_call(terminal, "$askr.ping", None)
    client = terminal.client()
    outcome = client.call("$askr.ping", timeout=terminal.timeout_s)
    told = outcome.value
    if terminal.json:
        members = ("daemon", "version", "protocol", "build")
        answer = {"ok": True, "ms": round(outcome.ms, 3)} | {n: told.get(n) for n in members}
        terminal.print_json(answer)
        return 0
    terminal.write(
        f"askrd {told.get('version')} at {client.url} answered in "
        f"{duration_text(outcome.ms)}  (protocol {told.get('protocol')}, {told.get('build')})"
    )
    return 0
