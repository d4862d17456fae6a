"""The suites of Great Expectations that judge this home: their origin, and whether they hold."""

import shutil
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.run.suites import SuiteFile


@click.group(cls=Group, short_help="What usage and drafts should look like.")
def expectations() -> None:
    """What loads, days of usage and drafts should look like before anything is issued."""


@expectations.command()
@click.option("--write", is_flag=True, help="Copy the shipped ones into the home, to be edited.")
@pass_app
def show(app: App, write: bool) -> None:
    """Every suite with its origin and what its failures hold back."""
    from meterhouse.run.suites import load_suites

    written = _write(app) if write else []
    files = load_suites(app.settings)
    rows = [row for file in files for row in _rows(file)]

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        columns = ["suite", "of", "sources", "from", "expectation", "holds back", "claim"]
        console.print(table(columns, [list(row.values()) for row in rows]))

    app.show({"written": written, "expectations": rows}, render)
    for path in written:
        app.tell(f"Wrote {path}; edit it, then `meterhouse expectations check`.")
    if write and not written:
        app.tell("Every shipped suite has its file in the home already; nothing was changed.")


def _rows(file: "SuiteFile") -> list[dict[str, str]]:
    suite = file.suite
    origin = "shipped" if file.is_shipped else str(file.path)
    return [
        {
            "suite": file.name,
            "batch": suite.batch,
            "sources": "all" if suite.named is None else ", ".join(suite.named),
            "origin": origin,
            "name": one.name,
            "holds_back": one.scope if one.blocking else "nothing",
            "claim": one.claim,
        }
        for one in suite.expectations
    ]


def _write(app: App) -> list[str]:
    """Copy what the home has no file for; a file of the home is never overwritten."""
    from meterhouse.run.suites import SHIPPED, own_folder

    folder = own_folder(app.settings)
    folder.mkdir(exist_ok=True)
    missing = [path for path in sorted(SHIPPED.glob("*.yaml")) if not (folder / path.name).exists()]
    for path in missing:
        shutil.copyfile(path, folder / path.name)
    return [str(folder / path.name) for path in missing]


@expectations.command()
@pass_app
def check(app: App) -> None:
    """Tell whether every suite can be used, without a run."""
    with app.working("Reading the suites", "Nothing was changed.") as work:
        from meterhouse.run.suites import load_suites

        files = load_suites(app.settings)
        work.stage("Asking Great Expectations (its import takes some seconds)")
        from meterhouse.run.expectations import check_suite

        faults = [f"{file.path}: {why}" for file in files for why in check_suite(file.suite)]
    if faults:
        raise UsageError("\n".join([*faults, "Nothing was changed."]))
    count = sum(len(file.suite.expectations) for file in files)
    app.show(
        {"suites": len(files), "expectations": count},
        lambda console: console.print(f"{count} expectations in {len(files)} suites can be used."),
    )
