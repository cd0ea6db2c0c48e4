"""A worker whose commands are jobs: they wait for it, survive it, and are tried again."""

import asyncio

from askrd import Askr, CommandError, Context, Event

agent = Askr("resizer")


@agent.command(queue=True, attempts=3, backoff=0.5, timeout=600)
async def resize(ctx: Context, name: str, width: int = 100) -> str:
    """Resizes a picture; a network that fails now and then means another attempt."""
    if width < 1:
        raise CommandError("too_small", f"{name} cannot be {width} wide")
    if name == "flaky" and ctx.attempt < 2:
        raise OSError("the network is away")
    await asyncio.sleep(0.01)
    return f"{name} is {width} wide, at attempt {ctx.attempt}"


@agent.on("$askr.dead.resizer.*")
async def given_up(event: Event) -> None:
    """Somebody should look at what failed three times: `askr jobs list --state dead`."""
    print(f"given up: {event.payload}", flush=True)


if __name__ == "__main__":
    agent.run()
