"""What a scratch run keeps where its book turns to another one, so that only the rest is made anew.

Determinants depend on windows and meters, not on prices: those of windows that both books cut alike
stand. Lines depend on windows, determinants and contracts: those of contracts that are the same
stand, for no contract's lines depend on another one's.
"""

import duckdb

from meterhouse.run.charged_lines import CONTRACTS
from meterhouse.run.context import Run

# What a window says of money alone: no determinant depends on it. All else is taken to count.
_OF_MONEY = (
    *("version_seq", "payer_id", "entity_id", "currency", "terms_id", "purchase_order"),
    *("item_description", "dimensions", "timing", "price_model", "price", "fixed_quantity"),
    *("above_quantity", "prorate_start", "prorate_end", "share_numerator", "share_denominator"),
    *("credit_numerator", "credit_denominator", "credit_basis", "served_end_on", "modifiers"),
    "due_on",
)
# Numbers that a meter gets by its place in the book; slots end where another version begins, which
# is in force in other windows.
_OF_PLACE = ("meter_no", "filter_bit", "slot_to")
_READ = """
select windows.* exclude ({money}), members.members, rules.* exclude (meter_id, meter_version)
from billing.charge_windows as windows
left join (
    select window_id, md5(string_agg(members::varchar, ',' order by members::varchar)) as members
    from billing.window_members as members group by window_id
) as members using (window_id)
left join (select * exclude ({place}) from ops.meter_rules) as rules
    using (meter_id, meter_version)
where windows.component = 'usage'
"""
# What modifiers read of a contract is more than the book's row: the ends of its terms, and of its
# last periods.
_CONTRACTS = f"""
select contracts.*, due.lines, due.told, hash(rated)::varchar as rated
from book.contracts as contracts left join (
    select contract_id, count(*) as lines, sum(hash(due)::hugeint) as told
    from due group by contract_id
) as due using (contract_id)
left join ({CONTRACTS}) as rated using (contract_id)
"""
_STOOD = {
    "ops.stood_determinants": "from usage.determinants",
    "ops.stood_determined": "from ops.determined",
    "ops.stood_lines": "from billing.desired_lines",
    "ops.stood_failures": "from ops.failures",
    "ops.stood_early": "from billing.early_windows",
}
# The kinds whose documents decide what single contracts are billed; others may decide for all.
OF_CONTRACTS = frozenset({"contract", "customer"})


def remember(db: duckdb.DuckDBPyConnection) -> None:
    """Keep windows, determinants, lines and what they are made of as ops.stood_*.

    Reads the view `due`, which `rate_due` makes.
    """
    for table, what in {**_STOOD, **_made_of(db)}.items():
        db.execute(f"create or replace table {table} as {what}")


def _made_of(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {"ops.stood_windows": _windows(db), "ops.stood_contracts": _CONTRACTS}


def _windows(db: duckdb.DuckDBPyConnection) -> str:
    names = set(db.sql("from billing.charge_windows limit 0").columns)
    money = ", ".join(name for name in _OF_MONEY if name in names)
    return _READ.format(money=money, place=", ".join(_OF_PLACE))


def give_back(db: duckdb.DuckDBPyConnection) -> int:
    """Have usage.determinants hold those of windows that are as they were, and the fold make those
    of all others; returns the number of these others.

    After the windows were cut anew and the fold was planned.
    """
    db.execute("begin")
    db.execute(
        f"create or replace table ops.other_windows as {_windows(db)} except from ops.stood_windows"
    )
    db.execute("drop table if exists usage.determinants")
    db.execute(
        "create table usage.determinants as select * from ops.stood_determinants "
        "semi join billing.charge_windows using (window_id) "
        "anti join ops.other_windows using (window_id)"
    )
    db.execute("delete from ops.determined; insert into ops.determined from ops.stood_determined")
    db.execute("insert into ops.remeasured select distinct window_id from ops.other_windows")
    db.execute("commit")
    return _count(db, "ops.other_windows")


def is_folded(db: duckdb.DuckDBPyConnection, fold_from: int) -> bool:
    """Whether the fold has nothing to read or measure, so that determinants are as they stand."""
    newer = f"(select 1 from facts.usage_events where batch_seq > {int(fold_from)} limit 1)"
    asked = ("ops.asks", "ops.sql_asks", "ops.sql_frozen", "ops.remeasured", newer)
    stands = db.execute(
        "select 1 from duckdb_tables() where schema_name = 'usage' and table_name = 'determinants'"
    ).fetchone()
    return stands is not None and not any(_count(db, table) for table in asked)


def list_touched(db: duckdb.DuckDBPyConnection, *, all_of_them: bool) -> int:
    """Replace ops.touched, the contracts that are rated otherwise than before; their number.

    Reads the view `due` of the present book.
    """
    db.execute(f"create or replace temp table contracts_now as {_CONTRACTS}")
    changed = (
        "select contract_id from book.contracts union select contract_id from ops.stood_contracts"
        if all_of_them
        else "select contract_id from (from contracts_now except from ops.stood_contracts) "
        "union select contract_id from (from ops.stood_contracts except from contracts_now) "
        "union select contract_id from ops.other_windows"
    )
    db.execute(f"create or replace table ops.touched as {changed}")
    return _count(db, "ops.touched")


def complete_lines(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Put the lines, and the failures, of the contracts that are not touched beside the others."""
    for table, stood in (
        ("billing.desired_lines", "ops.stood_lines"),
        ("ops.failures", "ops.stood_failures"),
    ):
        run.warehouse.replace_by(
            db, table,
            f"from {table} union all by name "
            f"select * from {stood} anti join ops.touched using (contract_id)",
        )  # fmt: skip


def _count(db: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = db.execute(f"select count(*) from {relation}").fetchone()
    return int(row[0]) if row else 0
