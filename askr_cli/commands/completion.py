"""`askr completion`: the scripts by which bash, zsh and fish ask `askr` what may follow."""

import contextlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from askr_cli.completion import candidates
from askr_cli.exits import Usage
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal


class Shell(StrEnum):
    """Shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class Action(StrEnum):
    """What may be done with a script."""

    PRINT = "print"
    INSTALL = "install"


SCRIPTS = {
    Shell.BASH: """\
_askr() {
    local line word=""
    COMPREPLY=()
    local words=()
    read -r -a words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ "${COMP_LINE:0:COMP_POINT}" == *" " ]] && words+=("")
    word="${words[${#words[@]}-1]}"
    local prefix="${word%"${word##*[:=@]}"}"
    prefix="${prefix%@}"
    while IFS= read -r line; do
        line="${line%%$'\\t'*}"
        if [[ -z "$line" ]]; then
            word="${word#"$prefix"}"
            [[ "$word" == @* ]] && prefix=@ || prefix=
            [[ -z "$prefix" ]] && compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -P "$prefix" -f -- "${word#@}")
            return
        fi
        [[ "$line" == *= ]] && compopt -o nospace 2>/dev/null
        COMPREPLY+=("${line#"$prefix"}")
    done < <(askr __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -o nosort -F _askr askr
""",
    Shell.ZSH: """\
#compdef askr
_askr() {
    local -a names texts open open_texts
    local line name text
    while IFS= read -r line; do
        name="${line%%$'\\t'*}" text="${line#*$'\\t'}"
        if [[ -z "$name" ]]; then
            compset -P '*=@'
            _files
        elif [[ "$name" == *= ]]; then
            open+=("$name")
            open_texts+=("$name${text:+  -- $text}")
        else
            names+=("$name")
            texts+=("$name${text:+  -- $text}")
        fi
    done < <(askr __complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( ${#names} )) && compadd -l -d texts -a names
    (( ${#open} )) && compadd -S '' -l -d open_texts -a open
}
if [[ "$funcstack[1]" == _askr ]]; then _askr "$@"; else compdef _askr askr; fi
""",
    Shell.FISH: """\
function __askr_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    for line in (askr __complete -- $words[2..-1] "$last" 2>/dev/null)
        if string match -q -r '^\\t' -- $line
            set -l kept (string match -r '^.*=@' -- $last)
            __fish_complete_path (string replace -r '^.*=@' '' -- $last) | string replace -r '^' "$kept"
        else
            echo $line
        end
    end
end
complete -c askr -f -a '(__askr_complete)'
""",
}

ShellName = Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", show_default=False)]
What = Annotated[Action, typer.Argument(metavar="[install]", show_default=False)]
Words = Annotated[list[str] | None, typer.Argument(hidden=True)]


def completion(terminal: Terminal, shell: ShellName, action: What = Action.PRINT) -> int:
    """Prints the script of a shell, or installs it for the user."""
    script = SCRIPTS[shell]
    if action is Action.INSTALL:
        return _install(terminal, shell, script)
    if terminal.json:
        terminal.print_json({"ok": True, "shell": shell, "script": script})
    else:
        terminal.write(script.rstrip("\n"))
    return 0


def complete(terminal: Terminal, words: Words = None) -> int:
    """Prints what may stand in place of the last word; called by the shells' scripts."""
    found = candidates(terminal, words or [""])
    if terminal.json:
        terminal.print_json([{"name": one.name, "help": one.help} for one in found])
        return 0
    for one in found:
        terminal.write(f"{escaped(one.name)}\t{escaped(one.help)}")
    return 0


def file_of(shell: Shell, terminal: Terminal) -> Path:
    """Returns where ``shell`` looks for the user's own completions.

    Raises:
        Usage: there is no home directory to install into.
    """
    home = terminal.environ.get("HOME")
    if not home:
        raise Usage(f"HOME is not set: print the script instead, askr completion {shell}")
    data = Path(terminal.environ.get("XDG_DATA_HOME") or f"{home}/.local/share")
    config = Path(terminal.environ.get("XDG_CONFIG_HOME") or f"{home}/.config")
    match shell:
        case Shell.BASH:
            return data / "bash-completion" / "completions" / "askr"
        case Shell.ZSH:
            return data / "zsh" / "site-functions" / "_askr"
        case Shell.FISH:
            return config / "fish" / "completions" / "askr.fish"


def _install(terminal: Terminal, shell: Shell, script: str) -> int:
    path = file_of(shell, terminal)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(script, encoding="utf-8")
        draft.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise Usage(
            f"cannot write {path} ({exc.strerror}): print the script instead, "
            f"askr completion {shell}"
        ) from exc
    if terminal.json:
        terminal.print_json({"ok": True, "shell": shell, "installed": str(path)})
        return 0
    terminal.note(f"installed {path}; it works in the next {shell}")
    if shell is Shell.ZSH:
        terminal.note(
            f"zsh reads it when .zshrc says, before compinit: fpath=({path.parent} $fpath)"
        )
    return 0
