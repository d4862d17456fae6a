"""From an exception to a sentence and an exit code.

0 done; 1 failed or rejected; 2 the call, the settings or the book are wrong; 3 checks failed;
4 reserved; 5 busy or unavailable, retry; 6 damaged data; 70 a fault of Meterhouse; 130 stopped.
"""

import shutil
import sys
import textwrap
from typing import NamedTuple

import click

from meterhouse.errors import MeterhouseError

BUG, STOPPED = 70, 130
RETRY = 5


class Fault(NamedTuple):
    """What is told about an exception."""

    type: str
    exit_code: int
    message: str


def fault_of(error: BaseException) -> Fault:
    """The sentence and the exit code of any exception."""
    name = type(error).__name__
    if isinstance(error, MeterhouseError):
        return Fault(name, error.exit_code, str(error))
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return Fault(
            "Stopped",
            STOPPED,
            "Stopped. What was committed stays and nothing is half done; "
            "run the command again to go on.",
        )
    if isinstance(error, click.ClickException):
        return Fault(name, 2, _usage(error))
    if type(error).__module__.removeprefix("_") == "duckdb":
        return _engine(name, error)
    if isinstance(error, OSError):
        return _system(name, error)
    return _bug(name, error)


def print_fault(fault: Fault, *, as_json: bool) -> None:
    """The sentence on stderr, or an object on stdout for who asked for JSON."""
    if as_json:
        from meterhouse.cli.values import json_text

        click.echo(json_text({"meterhouse": 1, "error": fault._asdict()}))
    else:
        click.echo(_wrapped(fault.message), err=True)


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    hint = f" Try `{context.command_path} --help`." if context is not None else ""
    return message + hint


def _engine(name: str, error: BaseException) -> Fault:
    text = str(error)
    if name == "IOException" and "lock" in text.lower():
        return Fault(
            name,
            RETRY,
            "Another program holds one of the home's database files, so nothing was done. "
            f"Close it (a DuckDB shell?) and run the command again. DuckDB said: {text}",
        )
    if name == "OutOfMemoryException":
        return Fault(
            name,
            1,
            "The memory limit was reached; the step was undone. Raise `memory_limit` in "
            f"meterhouse.yaml or free disk for `tmp/`, then run again. DuckDB said: {text}",
        )
    return _bug(name, error)


def _system(name: str, error: OSError) -> Fault:
    where = f" ({error.filename})" if error.filename else ""
    return Fault(
        name,
        1,
        f"The system refused: {error.strerror or error}{where}. What was committed before stays, "
        "the rest was undone. Free space or correct the permission, then run the command again.",
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
