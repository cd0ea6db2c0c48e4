"""Carries out statements over one open connection: verbs, pipes, background jobs.

The prompt, ``shell -c`` and ``shell -`` all come through `Runner.run`.
"""

import io
from collections.abc import Callable
from typing import Any, TextIO

from askr_cli import app
from askr_cli.exits import Exit, Terminated, Usage, failure
from askr_cli.profile import Profile
from askr_cli.shell.grammar import Refusal, Request, read
from askr_cli.shell.jobs import Gate, Job, Jobs, Prefixed
from askr_cli.shell.line import LineError, Statement, statements
from askr_cli.shell.pipeline import pipe
from askr_cli.shell.verbs import help_text
from askr_cli.terminal import Connect, Terminal

CLEAR_SCREEN = "\x1b[H\x1b[2J"


class Leave(Exception):
    """The person said `exit`.

    Attributes:
        code: exit code of the last statement that failed before, 0 when none did.
    """

    def __init__(self, code: int = 0) -> None:
        super().__init__("leave")
        self.code = code


class Runner:
    """Runs statements.

    Attributes:
        jobs: what runs in the background.

    Args:
        terminal: the shell's own; its settings hold for every statement.
        client: the open connection of the foreground.
        connect: makes a connection for a background job, under the name of its verb.
        background_out: where background jobs print; it must not disturb the prompt.
    """

    def __init__(
        self,
        terminal: Terminal,
        client: Any,
        connect: Callable[[Profile, str], Any],
        background_out: TextIO,
    ) -> None:
        self.jobs = Jobs()
        self._terminal = terminal
        self._client = client
        self._connect = connect
        self._background_out: Any = Gate(background_out)

    def run(self, text: str) -> int:
        """Runs the statements of ``text``, one after the other, also after a failure.

        Returns:
            The exit code of the last one that failed, 0 when none did.

        Raises:
            Leave: one of them was `exit`.
            Terminated: SIGTERM came.
        """
        try:
            waiting = statements(text)
        except LineError as error:
            return self._refuse(str(error))
        code = 0
        for statement in waiting:
            try:
                code = self.run_one(statement) or code
            except Leave:
                raise Leave(code) from None
            if code == Exit.INTERRUPTED:
                break
            if code == Exit.TERMINATED:
                raise Terminated
        return code

    def run_one(self, statement: Statement) -> int:
        """Runs one statement; returns its exit code.

        Raises:
            Leave: it was `exit`.
        """
        request = read(statement)
        if isinstance(request, Refusal):
            return self._refuse(request.message)
        try:
            if request.verb.own:
                return self._run_own(request)
            if statement.background:
                return self._run_behind(request, statement.text)
            if statement.programs:
                return pipe(statement.programs, lambda out: self._run_verb(request, out))
            if request.verb.name == "top":
                with self._background_out.shut():
                    return self._run_verb(request, self._terminal.out)
            return self._run_verb(request, self._terminal.out)
        except Usage as error:
            return self._refuse(error.sentence)

    def _run_verb(self, request: Request, out: TextIO) -> int:
        terminal = self._terminal_for(out, self._terminal.err, self._foreground, shared=True)
        terminal.says_cancelled = True
        return app.run(_words(request), terminal)

    def _foreground(self, *_: Any) -> Any:
        return self._client

    def _run_behind(self, request: Request, text: str) -> int:
        job = self.jobs.start(text, lambda job: self._work(request, job))
        self._terminal.note(f"[{job.number}] {text}")
        return 0

    def _work(self, request: Request, job: Job) -> int:
        out: Any = Prefixed(self._background_out, f"[{job.number}] ")
        quiet: Any = _Hushed(out, job)
        name = request.verb.name.replace(" ", "-")
        terminal = self._terminal_for(
            out,
            quiet,
            lambda profile, _: job.adopt(self._connect(profile, name)),
            shared=False,
        )
        code = app.run(_words(request), terminal)
        if not job.ending:
            out.write(f"ended with {code}\n")
        return code

    def _terminal_for(
        self, out: TextIO, err: TextIO, connect: Connect, *, shared: bool
    ) -> Terminal:
        return Terminal(
            out=out,
            err=err,
            source=io.BytesIO(),  # standard input is the keyboard
            environ=self._terminal.environ,
            cwd=self._terminal.cwd,
            options=self._terminal.options,
            connect=connect,
            shared=shared,
        )

    def _run_own(self, request: Request) -> int:
        actions: dict[str, Callable[[Request], int]] = {
            "help": self._help,
            "jobs": self._list_jobs,
            "kill": self._kill,
            "clear": self._clear,
            "exit": self._exit,
        }
        return actions[request.verb.name](request)

    def _help(self, request: Request) -> int:
        text = help_text(request.arguments)
        if self._terminal.json:
            self._terminal.print_json({"ok": True, "help": text})
        else:
            self._terminal.write(text)
        return 0

    def _list_jobs(self, _: Request) -> int:
        if self._terminal.json:
            self._terminal.print_json([job.row() for job in self.jobs])
        else:
            for job in self.jobs:
                self._terminal.write(str(job))
            if not list(self.jobs):
                self._terminal.note("nothing runs in the background; durable jobs: jobs list")
        self.jobs.forget_ended()
        return 0

    def _kill(self, request: Request) -> int:
        job = self.jobs.end(request.arguments[0])
        if self._terminal.json:
            self._terminal.print_json({"ok": True} | job.row())
        self._terminal.note(f"[{job.number}] ended: {job.text}")
        return 0

    def _clear(self, _: Request) -> int:
        if self._terminal.out_is_terminal:
            self._terminal.write_safe(CLEAR_SCREEN)
        return 0

    def _exit(self, _: Request) -> int:
        raise Leave

    def _refuse(self, sentence: str) -> int:
        if self._terminal.json:
            self._terminal.print_json(failure("usage", sentence))
        self._terminal.say(sentence)
        return Exit.USAGE


class _Hushed:
    """The narration of a job, silent once the job is being ended on purpose."""

    def __init__(self, out: TextIO, job: Job) -> None:
        self._out = out
        self._job = job

    def write(self, text: str) -> int:
        return len(text) if self._job.ending else self._out.write(text)

    def flush(self) -> None:
        self._out.flush()

    def isatty(self) -> bool:
        return self._out.isatty()


def _words(request: Request) -> list[str]:
    return [*request.verb.name.split(), *request.arguments]
