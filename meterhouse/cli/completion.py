"""Completion in bash, zsh and fish, by click's own mechanism."""

from pathlib import Path

import click
from click.shell_completion import get_completion_class

from meterhouse.cli.app import App, Choice, Command
from meterhouse.errors import UsageError

PROGRAM = "meterhouse"
VARIABLE = "_METERHOUSE_COMPLETE"
MARK = "# Completion of meterhouse"
# A line in the start file of bash and zsh; fish reads every file of one folder.
START_FILES = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/completions"}


@click.command(cls=Command, short_help="Complete commands and names in a shell.")
@click.argument("shell", metavar="bash|zsh|fish", type=Choice(["bash", "zsh", "fish"]))
@click.option("--install", is_flag=True, help="Write it where the shell finds it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what --install would write.")
@click.pass_context
def completion(context: click.Context, shell: str, install: bool, yes: bool, dry_run: bool) -> None:
    """Print the script that completes commands, options and names in a shell.

    \b
    meterhouse completion bash --install
    meterhouse completion fish > ~/.config/fish/completions/meterhouse.fish
    """
    app = context.find_object(App) or App()
    if install or dry_run:
        _install(app, context, shell, yes, dry_run)
    else:
        click.echo(script(context, shell))


def script(context: click.Context, shell: str) -> str:
    """The script of a shell, as click makes it."""
    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"Click knows no completion for {shell}; nothing was written.")
    return made(context.find_root().command, {}, PROGRAM, VARIABLE).source()


def _install(app: App, context: click.Context, shell: str, yes: bool, dry_run: bool) -> None:
    target = Path.home() / START_FILES[shell]
    if shell == "fish":
        target /= f"{PROGRAM}.fish"
        text = script(context, shell)
        is_there = target.is_file() and target.read_text() == text
    else:
        text = f'\n{MARK}\neval "$({VARIABLE}={shell}_source {PROGRAM})"\n'
        is_there = target.is_file() and MARK in target.read_text()
    if is_there:
        _tell(app, target, f"{target} completes {PROGRAM} already; nothing was changed.", False)
        return
    what = f"{'A file' if shell == 'fish' else 'A line'} would be written to {target}"
    if dry_run:
        _tell(app, target, f"{what}; nothing was changed.", False)
        return
    app.ask(what, yes=yes, question="Write it?")
    target.parent.mkdir(parents=True, exist_ok=True)
    if shell == "fish":
        target.write_text(text)
    else:
        # Appended: what a person wrote there stays.
        with target.open("a") as file:
            file.write(text)
    _tell(app, target, f"Written to {target}; it works in the next shell.", True)


def _tell(app: App, target: Path, text: str, is_written: bool) -> None:
    payload = {"file": str(target), "is_written": is_written}
    app.show(payload, lambda console: console.print(text))
