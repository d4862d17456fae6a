"""The names a home knows, and the refusal of any other with the nearest that it knows."""

from collections.abc import Iterable

from meterhouse.cli.app import App
from meterhouse.errors import UsageError
from meterhouse.nearest import did_you_mean, known_names

CANDIDATES = 50


def source_names(app: App) -> list[str]:
    """The sources of the settings."""
    return sorted(app.settings.file.sources)


def numbers_like(app: App, begun: str, limit: int) -> list[str]:
    """Numbers of issued documents that begin so, the newest first."""
    with app.lake.reading() as db:
        rows = db.execute(
            "select number from facts.documents where starts_with(number, ?) "
            "order by batch_seq desc, row_no desc limit ?",
            [begun, limit],
        ).fetchall()
    return [row[0] for row in rows]


def draft_ids(app: App) -> list[str]:
    """The drafts of the last run that are not issued, by the eight digits lists show."""
    from meterhouse.cli.reading import derived, has_drafts, rows_of

    with derived(app.lake) as db:
        if not has_drafts(db):
            return []
        query = (
            "select left(draft_id, 8) as id from billing.drafts "
            "where draft_id not in (select document_id from facts.documents) order by 1"
        )
        return [row["id"] for row in rows_of(db, query)]


def check_names(app: App) -> list[str]:
    """The checks that failed in the last run."""
    from meterhouse.cli.reading import derived, last_run, rows_of
    from meterhouse.run.gate import LATEST

    with derived(app.lake) as db:
        query = f"select distinct check_name as name from ({LATEST}) where not passed order by 1"
        return [row["name"] for row in rows_of(db, query, [last_run(db)["run_id"]])]


def saved_names(app: App) -> list[str]:
    """The saved queries, ours and those of the home."""
    from meterhouse.cli.saved import saved_queries

    return list(saved_queries(app.settings))


def refuse_unknown(what: str, name: str, known: Iterable[str], state: str) -> None:
    """Refuse a name that is not known; `state` says that nothing was done."""
    names = list(known)
    if name not in names:
        hint = did_you_mean(name, names) or "."
        raise UsageError(
            f"{what} {name!r} is not known here; {state}{hint} Known: {known_names(names)}."
        )


def refuse_unknown_source(app: App, name: str, state: str = "nothing was loaded") -> None:
    """Refuse a source that the settings do not name."""
    if name not in app.settings.file.sources:
        names = source_names(app)
        hint = did_you_mean(name, names) or "."
        raise UsageError(
            f"Source {name!r} is not in meterhouse.yaml; {state}{hint} "
            f"Known sources: {known_names(names)}."
        )


def refuse_unknown_numbers(app: App, names: Iterable[str], state: str) -> None:
    """Refuse numbers that no document has, all at once, each with the nearest one."""
    from meterhouse.cli.reading import rows_of

    asked = sorted(set(names))
    with app.lake.reading() as db:
        found = rows_of(
            db,
            "select asked.number, list(documents.number order by "
            "levenshtein(documents.number, asked.number), documents.number)[1:?] as near "
            "from (select unnest(?::varchar[]) as number) as asked, facts.documents as documents "
            "where not exists (select 1 from facts.documents as own "
            "where own.number = asked.number) group by asked.number order by 1",
            [CANDIDATES, asked],
        )
        is_empty = not rows_of(db, "select 1 from facts.documents limit 1")
    if is_empty:
        found = [{"number": name, "near": []} for name in asked]
    if found:
        sentences = [
            f"No document has the number {row['number']!r}"
            f"{did_you_mean(row['number'], row['near']) or '.'}"
            for row in found
        ]
        raise UsageError(
            "\n".join([*sentences, f"{state} `meterhouse invoices list` shows the numbers."])
        )
