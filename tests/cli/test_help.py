"""Every command and option says what it does, in its help and in docs/cli.md."""

import re
from pathlib import Path

import click
import pytest

from meterhouse.cli.main import cli

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
# Given to every command and explained once, above the table.
SHARED = {"--help", "-h", "--json", "--home", "--quiet", "-q", "--debug", "--version", "-y"}


def commands(command=cli, words=()):
    """Words to command, groups left out unless they run by themselves."""
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield words, command
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.commands[name], (*words, name))
    else:
        yield words, command


ALL = {" ".join(words): command for words, command in commands()}


def lines_of(name):
    """The lines of docs/cli.md that speak of a command, in the table of commands."""
    table = DOCS.split("## Commands")[1].split("\n## ")[0]
    return [row for row in table.splitlines() if re.match(rf"\| `{re.escape(name)}[ `]", row)]


def options_of(command):
    return [param for param in command.params if isinstance(param, click.Option)]


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_has_a_help_of_its_own(name):
    command = ALL[name]
    assert command.help, name
    assert command.get_short_help_str(100).rstrip(".")
    undescribed = [param.name for param in options_of(command) if not param.help]
    assert undescribed == []


@pytest.mark.parametrize("name", ALL)
def test_every_command_stands_in_the_docs_with_every_option(name):
    found = lines_of(name)
    assert found, f"docs/cli.md has no row `{name} ...` in its table of commands"
    text = " ".join(found)
    missing = [
        option.opts[0]
        for option in options_of(ALL[name])
        if option.opts[0] not in SHARED and not re.search(rf"{option.opts[0]}\b", text)
    ]
    assert missing == []


def test_the_docs_name_no_command_that_is_not_there():
    table = DOCS.split("## Commands")[1].split("\n## ")[0]
    named = re.findall(r"(?m)^\| `([a-z]+(?: [a-z]+(?:-[a-z]+)*)?)(?=[ `])", table)
    assert [name for name in named if name not in ALL] == []


def test_what_cannot_be_undone_can_be_looked_at_first_and_asks():
    final = ("apply", "close", "invoices issue", "quarantine refuse", "events amend")
    final += ("events void", "events replace-day")
    for name in final:
        opts = {opt for option in options_of(ALL[name]) for opt in option.opts}
        assert {"--dry-run", "--yes"} <= opts, name
    dry = ("ingest", "run", "quarantine retry", "conflicts keep", "conflicts take")
    for name in (*dry, "invoices approve"):
        assert "--dry-run" in {opt for option in options_of(ALL[name]) for opt in option.opts}
