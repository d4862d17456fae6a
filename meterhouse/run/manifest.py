"""The manifest of a run: what it read, with which code, and what it made. Hash-chained."""

from collections.abc import Sequence
from typing import Any

import duckdb

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.lake import Commit
from meterhouse.run.context import Run, code_hash, versions

# Per table the column that is added up, and those that say what a row is: a draft's content hash
# covers all of its lines.
OUTPUTS = {
    "usage.determinants": ("quantity", ("determinant_id", "window_id", "quantity", "event_count")),
    "billing.desired_lines": ("amount", ("window_id", "quantity", "amount_unrounded", "amount")),
    "billing.drafts": ("net", ("draft_id", "content_hash", "net", "tax", "total")),
    "billing.draft_lines": ("amount", ("draft_id", "line_no", "line_key", "quantity", "amount")),
}


def record_manifest(run: Run, db: duckdb.DuckDBPyConnection) -> str:
    """Append the run's manifest, unless the same stands there; returns its hash."""
    content = canonical_json(_content(run, db))
    digest = sha256_text(content)
    with run.lake.session() as session:
        last = session.execute(
            "select content_hash from lake.facts.manifests order by batch_seq desc, row_no desc, "
            "content_hash limit 1"
        ).fetchone()
        known = session.execute(
            "select 1 from lake.facts.manifests where content_hash = ?", [digest]
        ).fetchone()
        if known is None:

            def write(commit: Commit) -> None:
                commit.append(
                    "manifests",
                    "select ? as run_id, ? as content, ? as content_hash, ? as previous_hash",
                    [run.run_id, content, digest, last[0] if last else None],
                )

            run.lake.commit(session, write, takes_number=False)
    return digest


def _content(run: Run, db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    book = db.execute(
        "select sha256(coalesce(string_agg(content_sha256, ',' order by batch_seq, row_no), '')) "
        "from facts.book_versions"
    ).fetchone()
    inputs = db.execute(
        "select table_name, sum(rows)::bigint, "
        "sha256(string_agg(sha256, ',' order by path)) from facts.files "
        "where table_name not in ('check_results', 'manifests', 'deliveries') "
        "group by table_name order by table_name"
    ).fetchall()
    counted = db.execute("select max(batch_seq) from facts.documents").fetchone()
    return {
        "book_sha256": book[0] if book else None,
        "code_sha256": code_hash(run.lake.settings.models),
        "inputs": {name: {"rows": rows, "sha256": digest} for name, rows, digest in inputs},
        "known_at": run.known_at,
        "last_documents_batch": counted[0] if counted else None,
        "outputs": {name: _output(db, name, *columns) for name, columns in OUTPUTS.items()},
        "run_id": run.run_id,
        "through": run.through.isoformat(),
        "versions": versions(),
    }


def _output(
    db: duckdb.DuckDBPyConnection, table: str, added: str, columns: Sequence[str]
) -> dict[str, Any]:
    texts = ", ".join(f"coalesce({column}::varchar, '')" for column in columns)
    row = db.execute(
        f"select count(*), coalesce(sum({added}), 0)::varchar, "
        "sha256(coalesce(string_agg(row_md5, '' order by row_md5), '')) "
        f"from (select {added}, md5(concat_ws('|', {texts})) as row_md5 from {table})"
    ).fetchone()
    if row is None:
        raise AssertionError(table)
    return {"rows": row[0], "sum": row[1], "sha256": row[2]}
