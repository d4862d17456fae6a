"""From an exception to a sentence and an exit code.

0 done; 1 failed or rejected; 2 the call, the settings or the book are wrong; 3 checks failed;
4 reserved; 5 busy or unavailable, retry; 6 damaged data; 70 a fault of Meterhouse; 130 stopped.
"""

import shutil
import sys
import textwrap
from typing import NamedTuple

import click

from meterhouse.cli.progress import Stopped
from meterhouse.errors import MeterhouseError
from meterhouse.nearest import did_you_mean

BUG, STOPPED = 70, 130
RETRY = 5
INDEX = "errors.md"
# Errors of the surroundings go by a heading of the index, our own by their class.
CALL, ENGINE, MEMORY, SYSTEM, FAULT = "call", "engine", "memory", "system", "bug"


class Fault(NamedTuple):
    """What is told about an exception."""

    type: str
    exit_code: int
    message: str
    # The heading of the error index that explains it.
    anchor: str = FAULT

    @property
    def docs(self) -> str:
        """Where the error is explained: errors.md#busy."""
        return f"{INDEX}#{self.anchor}"


def fault_of(error: BaseException) -> Fault:
    """The sentence and the exit code of any exception."""
    name = type(error).__name__
    if isinstance(error, MeterhouseError):
        return Fault(name, error.exit_code, str(error), name.lower())
    if isinstance(error, Stopped | click.Abort | KeyboardInterrupt):
        return _stopped(error)
    if isinstance(error, click.ClickException):
        return Fault(name, 2, _usage(error), CALL)
    if type(error).__module__.removeprefix("_") == "duckdb":
        return _engine(name, error)
    if isinstance(error, OSError):
        return _system(name, error)
    return _bug(name, error)


def _stopped(error: BaseException) -> Fault:
    left = str(error) if isinstance(error, Stopped) else "Stopped."
    return Fault(
        "Stopped",
        STOPPED,
        f"{left} What was committed stays and nothing is half done; "
        "run the command again to go on.",
        "stopped",
    )


def print_fault(fault: Fault, *, as_json: bool) -> None:
    """The sentence on stderr, or an object on stdout for who asked for JSON."""
    if as_json:
        from meterhouse.cli.values import json_text

        told = {"type": fault.type, "exit_code": fault.exit_code, "message": fault.message}
        click.echo(json_text({"meterhouse": 1, "error": {**told, "docs": fault.docs}}))
    else:
        click.echo(_wrapped(fault.message), err=True)
        click.echo(f"docs: {fault.docs}", err=True)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    message = _wrong_name(error, context) if context is not None else None
    hint = f" Try `{context.command_path} --help`." if context is not None else ""
    return (message or error.format_message()) + hint


def _wrong_name(error: click.ClickException, context: click.Context) -> str | None:
    """An unknown command or option with the nearest one, by the helper that all names share."""
    command = context.command
    if isinstance(error, click.NoSuchOption):
        known = [name for param in command.get_params(context) for name in param.opts]
        return f"No such option {error.option_name!r}{_hint(error.option_name, known)}"
    if isinstance(error, click.exceptions.NoSuchCommand) and isinstance(command, click.Group):
        known = command.list_commands(context)
        return f"No such command {error.command_name!r}{_hint(error.command_name, known)}"
    return None


def _hint(name: str, known: list[str]) -> str:
    return did_you_mean(name, known) or "."


def _engine(name: str, error: BaseException) -> Fault:
    text = str(error)
    if name == "IOException" and "lock" in text.lower():
        return Fault(
            name,
            RETRY,
            "Another program holds one of the home's database files, so nothing was done. "
            f"Close it (a DuckDB shell?) and run the command again. DuckDB said: {text}",
            ENGINE,
        )
    if name == "OutOfMemoryException":
        return Fault(
            name,
            1,
            "The memory limit was reached; the step was undone. Raise `memory_limit` in "
            f"meterhouse.yaml or free disk for `tmp/`, then run again. DuckDB said: {text}",
            MEMORY,
        )
    return _bug(name, error)


def _system(name: str, error: OSError) -> Fault:
    where = f" ({error.filename})" if error.filename else ""
    return Fault(
        name,
        1,
        f"The system refused: {error.strerror or error}{where}. What was committed before stays, "
        "the rest was undone. Free space or correct the permission, then run the command again.",
        SYSTEM,
    )


def _bug(name: str, error: BaseException) -> Fault:
    return Fault(
        name,
        BUG,
        f"Meterhouse met something it did not expect ({name}: {error}). What was committed before "
        "stays. This is a fault of Meterhouse; `meterhouse --debug ...` shows the traceback, "
        "please report it.",
    )


def _wrapped(message: str) -> str:
    if not sys.stderr.isatty():
        return message
    width = max(40, min(shutil.get_terminal_size().columns, 100))
    return "\n".join(
        textwrap.fill(
            line,
            width,
            subsequent_indent="    " if line.startswith("  -") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in message.splitlines()
    )
