"""An agent as a whole program: the loop, the signals, the way out."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from askrd.sdk.announcing import Announcer
from askrd.wire.errors import AskrError

if TYPE_CHECKING:
    from askrd.sdk.askr import Askr

EXIT_FAILED = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(agent: "Askr", drain_timeout: float) -> None:
    """Runs an agent until SIGTERM or SIGINT, then drains; a second signal ends it at once.

    Raises:
        RuntimeError: a loop is running in this thread already.
        SystemExit: the daemon refuses the agent, or a synchronous handler does not end.
    """
    if _is_inside_a_loop():
        raise RuntimeError(
            "agent.run() starts its own loop, and one is running here already; "
            "use `await agent.serve()` or `async with agent:`"
        )
    announcer = Announcer(agent.name)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            left = runner.run(_serve(agent, announcer, drain_timeout))
    except AskrError as exc:
        announcer.say(f"cannot run: {exc.message}")
        sys.exit(EXIT_FAILED)
    if left:
        announcer.say(f"these do not end and are left behind: {', '.join(left)}")
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(EXIT_FAILED)  # a thread that hangs would keep the process for ever


async def _serve(agent: "Askr", announcer: Announcer, drain_timeout: float) -> list[str]:
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []

    def stop(sign: signal.Signals) -> None:
        if caught:
            signal.signal(sign, signal.SIG_DFL)
            os.kill(os.getpid(), sign)
        caught.append(sign)
        announcer.say("draining; once more to stop at once")
        agent.stop()

    is_main = threading.current_thread() is threading.main_thread()
    for sign in _SIGNALS if is_main else ():
        loop.add_signal_handler(sign, stop, sign)
    return await agent.serve(announcer, drain_timeout=drain_timeout)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _is_inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
