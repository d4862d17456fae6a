"""The checks of the last run, and waivers of failed ones."""

from datetime import date
from typing import Any

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.options import CHECK, DAY
from meterhouse.errors import Rejected, UsageError
from meterhouse.nearest import did_you_mean, known_names


@click.group(cls=Group)
def checks() -> None:
    """What must hold before anything is issued."""


@checks.command("list")
@click.option("--failed", "only_failed", is_flag=True, help="Only checks that did not hold.")
@pass_app
def list_checks(app: App, only_failed: bool) -> None:
    """Results of the last run; waived ones are marked."""
    run, found = _results(app)
    if only_failed:
        found = [row for row in found if not row["passed"]]

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        console.print(f"Run {run['run_id'][:8]} through {run['through']}")
        columns = ["check", "scope", "result", "sentence"]
        rows = [(r["check_name"], r["scope"], r["result"], r["sentence"]) for r in found]
        console.print(table(columns, rows) if rows else "Every check held.")

    app.show({"run": run, "checks": found}, render)


@checks.command()
@click.argument("name", metavar="CHECK", type=CHECK)
@click.option("--scope", required=True, metavar="KIND:ID", help="As `checks list` shows it.")
@click.option("--until", type=DAY, required=True, help="Holds for runs through earlier days.")
@click.option("--reason", required=True, help="Why; stays on record.")
@pass_app
def waive(app: App, name: str, scope: str, until: date, reason: str) -> None:
    """Let a failed check pass in one scope, for runs through days before --until."""
    from meterhouse.canonical import canonical_json
    from meterhouse.run.commands import record

    run, found = _results(app)
    kind, _, subject = scope.partition(":")
    _refuse_unknown(name, scope, found)
    if until <= run["through"]:
        raise Rejected(
            f"The waiver would end on {until}, but the last run is through {run['through']}; "
            "nothing was recorded. Give a later --until."
        )
    payload = canonical_json({"expires": until.isoformat(), "reason": reason})
    subjects: list[tuple[str, str | None]] = [(f"{name}|{kind}|{subject}", None)]
    lake = app.lake
    with lake.session() as session:
        batch_seq = lake.commit(
            session, lambda commit: record(commit, "waive", subjects, payload, reason)
        )
    app.show(
        {"batch_seq": batch_seq, "check": name, "scope": scope, "until": until},
        lambda console: console.print(
            f"Waived {name} for {scope} until {until}, as batch {batch_seq}."
        ),
    )


def _refuse_unknown(name: str, scope: str, found: list[dict[str, Any]]) -> None:
    failed = [row for row in found if not row["passed"]]
    if any(row["check_name"] == name and row["scope"] == scope for row in failed):
        return
    known = [f"{row['check_name']} --scope {row['scope']}" for row in failed]
    hint = did_you_mean(f"{name} --scope {scope}", known).replace("'", "")
    others = (
        f"Failed checks: {known_names(known)}." if known else "No check failed in the last run."
    )
    raise UsageError(
        f"{name} did not fail for {scope}, so nothing was waived{hint or '.'} {others}"
    )


def _results(app: App) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from meterhouse.cli.reading import derived, last_run, rows_of
    from meterhouse.run.gate import FAILED, LATEST

    with derived(app.lake) as db:
        run = last_run(db)
        found = rows_of(
            db,
            "select check_name, scope_kind || ':' || scope_id as scope, is_blocking, passed, "
            f"numbers, sentence from ({LATEST}) "
            "order by passed, is_blocking desc, check_name, scope_id",
            [run["run_id"]],
        )
        open_ones = {
            (row["check_name"], f"{row['scope_kind']}:{row['scope_id']}")
            for row in rows_of(db, FAILED, [run["run_id"]])
        }
    for row in found:
        row["result"] = _result(row, (row["check_name"], row["scope"]) in open_ones)
    return run, found


def _result(row: dict[str, Any], is_open: bool) -> str:
    if row["passed"]:
        return "holds"
    if not row["is_blocking"]:
        return "warning"
    return "failed" if is_open else "waived"
