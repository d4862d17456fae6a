"""What must hold between the rows of a history, and between them and the book."""

from collections.abc import Iterator, Mapping

import polars as pl

from meterhouse.contracts.covered import covered_to
from meterhouse.history.columns import KINDS, MONEY
from meterhouse.history.known import Known
from meterhouse.history.openings import opening_ids, series_name
from meterhouse.history.reading import FAULTS, faults
from meterhouse.ledger.accounts import ACCOUNTS
from meterhouse.money import PLACES

Files = Mapping[str, pl.DataFrame]
OF_CONTRACTS = ("deferred_schedules", "wallet_lots", "commitments", "discounts", "counters",
               "paid_through")  # fmt: skip


def rule_faults(files: Files, known: Known) -> pl.DataFrame:
    """Everything that is wrong between rows that can be read: file, line and sentence.

    `files` has a frame for each kind, empty where there was no file; those of contracts have the
    contract's entity, payer and currency beside (null where it is not known).
    """
    found = [
        *_names(files, known),
        *_amounts(files),
        *_documents(files, known),
        *_open_items(files),
        *_journal(files, known),
        *_of_contracts(files, known),
        *_used(files, known),
        *_counters(files, known),
        *_series(files, known),
    ]
    return pl.concat([pl.DataFrame(schema=FAULTS), *found]).unique(maintain_order=True)


def _unknown(
    frame: pl.DataFrame, name: str, ids: pl.Series, noun: str
) -> pl.DataFrame:  # fmt: skip
    value = pl.col(name)
    wrong = frame.filter(value.is_not_null() & ~value.is_in(ids.implode()))
    return faults(wrong, pl.format(f"{noun} '{{}}' is not in the book", value))


def _names(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    """Names that the book does not have, and entities of which no cut-over is told."""
    told = files["cut_over"]["entity"]
    for frame in files.values():
        if "entity" in frame.columns:
            yield _unknown(frame, "entity", known.entities["entity_id"], "entity")
            is_known = pl.col("entity").is_in(known.entities["entity_id"].implode())
            unsaid = frame.filter(is_known & ~pl.col("entity").is_in(told.implode()))
            yield faults(
                unsaid, pl.format("cut_over.csv says no day for entity '{}'", pl.col("entity"))
            )
        if "customer" in frame.columns:
            yield _unknown(frame, "customer", known.customers["customer_id"], "customer")
        if "contract" in frame.columns:
            yield _unknown(frame, "contract", known.contracts["contract_id"], "contract")
        if "currency" in frame.columns:
            wrong = frame.filter(~pl.col("currency").is_in(list(PLACES)))
            yield faults(
                wrong, pl.format("currency '{}' is not an active ISO 4217 code", pl.col("currency"))
            )


def _amounts(files: Files) -> Iterator[pl.DataFrame]:
    """Amounts with more places than their currency has."""
    for name, frame in files.items():
        if "currency" not in frame.columns:
            continue
        for column in KINDS[name].columns:
            if column.type == MONEY:
                value, wanted = pl.col(column.name), pl.col("currency")
                places = wanted.replace_strict(dict(PLACES), default=18, return_dtype=pl.Int64)
                text = value.cast(pl.String).str.strip_chars_end("0")
                wrong = frame.filter(text.str.len_chars() - text.str.find(".", literal=True) - 1
                                     > places)  # fmt: skip
                yield faults(
                    wrong,
                    pl.format(f"{column.name} has more places than {{}} has", wanted),
                )


def _documents(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    heads, lines = files["invoices"], files["invoice_lines"]
    sums = pl.col("net") + pl.col("tax") != pl.col("total")
    yield faults(heads.filter(sums), pl.lit("net and tax do not add up to total"))
    days = files["cut_over"].select("entity", "cut_over_on")
    for name in ("invoices", "open_items"):
        late = files[name].join(days, on="entity").filter(
            pl.col("invoice_date") >= pl.col("cut_over_on")
        )  # fmt: skip
        yield faults(late, pl.format("invoice_date {} is not before the cut-over, {}",
                                     "invoice_date", "cut_over_on"))  # fmt: skip
        again = files[name].join(
            known.numbers, left_on=["entity", "number"], right_on=["entity_id", "number"],
            how="semi",
        )  # fmt: skip
        yield faults(again, pl.format("document {} is known already", pl.col("number")))
    key = ["entity", "number"]
    yield faults(
        lines.join(heads, on=key, how="anti"),
        pl.format("invoices.csv has no document {}", pl.col("number")),
    )
    netted = lines.group_by(key).agg(lines_net=pl.col("amount").sum())
    wrong = heads.join(netted, on=key).filter(pl.col("lines_net") != pl.col("net"))
    yield faults(wrong, pl.format("net of {} is not the sum of its lines", pl.col("number")))


def _open_items(files: Files) -> Iterator[pl.DataFrame]:
    items, heads = files["open_items"], files["invoices"]
    open_amount, total = pl.col("open_amount"), pl.col("total")
    nothing = (open_amount == 0) | ((open_amount > 0) != (total > 0))
    too_much = nothing | (open_amount.abs() > total.abs())
    yield faults(
        items.filter(too_much), pl.lit("open_amount is not between 0 and total, 0 left out")
    )
    late = items.filter(pl.col("due_date") < pl.col("invoice_date"))
    yield faults(late, pl.lit("due_date is before invoice_date"))
    same = items.join(heads, on=["entity", "number"], suffix="_head").filter(
        pl.any_horizontal(
            pl.col(name) != pl.col(f"{name}_head") for name in ("customer", "currency", "total")
        )
    )
    yield faults(
        same,
        pl.format("invoices.csv says another customer, currency or total of {}", pl.col("number")),
    )


def _journal(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    lines = files["journal"]
    chart = [one.account for one in ACCOUNTS]
    wrong = lines.filter(~pl.col("account").is_in(chart))
    listed = ", ".join(chart)
    yield faults(
        wrong, pl.format(f"account '{{}}' is not in the chart, which has {listed}", "account")
    )
    debit, credit = pl.col("debit").fill_null(0), pl.col("credit").fill_null(0)
    one = (debit != 0) & (credit != 0)
    yield faults(
        lines.filter(one | (debit < 0) | (credit < 0)),
        pl.lit("a line is a debit or a credit, and neither is negative"),
    )
    sums = lines.group_by("entity", "entry", "currency", maintain_order=True).agg(
        pl.col("file").first(),
        pl.col("line").min(),
        debit=debit.sum(),
        credit=credit.sum(),
        days=pl.col("posting_date").n_unique(),
    )
    off = sums.filter(pl.col("debit") != pl.col("credit"))
    yield faults(
        off, pl.format("entry {} does not balance in {}", pl.col("entry"), pl.col("currency"))
    )
    yield faults(
        sums.filter(pl.col("days") > 1), pl.format("entry {} has several days", pl.col("entry"))
    )
    dated = lines.join(files["cut_over"].select("entity", "cut_over_on"), on="entity")
    yield faults(
        dated.filter(pl.col("posting_date") > pl.col("cut_over_on")),
        pl.format("posting_date {} is after the cut-over, {}", "posting_date", "cut_over_on"),
    )
    for frame, day in ((dated, pl.coalesce("posting_date", "cut_over_on")),
                       (files["cut_over"], pl.col("cut_over_on"))):  # fmt: skip
        closed = frame.join(known.entities, left_on="entity", right_on="entity_id")
        yield faults(
            closed.filter(day < pl.col("closed_until")),
            pl.format("the books of {} are closed before {}", "entity", "closed_until"),
        )


def _of_contracts(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    days = files["cut_over"].select("entity", "cut_over_on")
    asked = (("deferred_schedules", "item", False), ("wallet_lots", "grant", True),
             ("paid_through", "item", None))  # fmt: skip
    for name, column, is_grant in asked:
        frame = files[name]
        items = known.items.filter(pl.col("is_grant") == is_grant) if is_grant is not None else (
            known.items
        )  # fmt: skip
        lost = frame.filter(
            pl.col(column).is_not_null() & pl.col("currency").is_not_null()
        ).join(
            items, left_on=["contract", column], right_on=["contract_id", "item_id"], how="anti"
        )  # fmt: skip
        noun = "paid grant" if is_grant else "item"
        yield faults(lost, pl.format(f"contract {{}} has no {noun} '{{}}'", "contract", column))
        yield from _again(name, frame, known)
    for name in ("deferred_schedules", "wallet_lots"):
        yield faults(
            files[name].filter(pl.col("amount") <= 0), pl.lit("amount is not above 0")
        )  # fmt: skip
    dated = files["deferred_schedules"].join(days, on="entity")
    yield faults(
        dated.filter(pl.col("from") < pl.col("cut_over_on")),
        pl.format("from is before the cut-over, {}: say what is left from then on", "cut_over_on"),
    )
    yield faults(dated.filter(pl.col("from") >= pl.col("to")), pl.lit("to is not after from"))
    sold = files["wallet_lots"].join(days, on="entity")
    yield faults(
        sold.filter(pl.col("lot_on") > pl.col("cut_over_on")),
        pl.format("lot_on is after the cut-over, {}", "cut_over_on"),
    )
    ours = files["paid_through"].join(
        known.billed, left_on="contract", right_on="contract_id", how="semi"
    )
    yield faults(
        ours,
        pl.format(
            "contract {} has documents of Meterhouse already; what they billed would be taken back",
            "contract",
        ),
    )


def _used(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    """What was used of commitments and discounts that count for longer than a window."""
    days = files["cut_over"].select("entity", "cut_over_on")
    reasons = {
        "commitment": "is for each window, which the cut-over ends",
        "discount": "has no `cap_total`, so nothing of it is used up",
    }
    for kind, reason in reasons.items():
        frame = files[f"{kind}s"]
        mine = known.modifiers.filter(pl.col("kind") == kind).select(
            contract="contract_id", is_counted="is_counted", **{kind: "id"}
        )
        told = frame.join(mine, on=["contract", kind], how="left", maintain_order="left")
        is_known = pl.col("currency").is_not_null()
        yield faults(
            told.filter(is_known & pl.col("is_counted").is_null()),
            pl.format(f"contract {{}} has no {kind} '{{}}'", "contract", kind),
        )
        yield faults(told.filter(~pl.col("is_counted")), pl.format(f"{kind} '{{}}' {reason}", kind))
        yield faults(frame.filter(pl.col("used") < 0), pl.lit("used is below 0"))
        yield from _again(f"{kind}s", frame, known)
    dated = files["commitments"].join(days, on="entity")
    yield faults(
        dated.filter(pl.col("span_start") >= pl.col("cut_over_on")),
        pl.format("span_start is not before the cut-over, {}", "cut_over_on"),
    )


def _counters(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    """Counters of items that may go on from a quantity, in periods that paid_through divides."""
    frame = files["counters"].filter(pl.col("currency").is_not_null())
    items = known.items.filter(~pl.col("is_grant")).rename({"contract_id": "contract"})
    told = frame.join(
        items.select("contract", "is_metered", item="item_id"), on=["contract", "item"], how="left"
    )
    yield faults(
        told.filter(pl.col("is_metered").is_null()),
        pl.format("contract {} has no item '{}'", "contract", "item"),
    )
    yield faults(
        told.filter(~pl.col("is_metered")),
        pl.format(
            "item '{}' cannot go on from a quantity: it has no meter, or one with dimensions, or "
            "its contract gives units to several items",
            "item",
        ),
    )
    dated = told.with_columns(
        covered_to(
            told.select(contract_id="contract", item_id="item"),
            files["paid_through"].select("paid_through", contract_id="contract", item_id="item"),
        )
    )
    begins = pl.col("covered_to").is_null() | (pl.col("covered_to") <= pl.col("period_start"))
    yield faults(
        dated.filter(begins),
        pl.format("paid_through.csv does not divide a period of '{}' from {} on", "item",
                  "period_start"),
    )  # fmt: skip
    yield faults(frame.filter(pl.col("quantity") < 0), pl.lit("quantity is below 0"))
    yield from _again("counters", files["counters"], known)


def _again(name: str, frame: pl.DataFrame, known: Known) -> Iterator[pl.DataFrame]:
    ids = frame.with_columns(opening_ids(name, frame))
    again = ids.join(known.openings, on="opening_id", how="semi")
    yield faults(again, pl.lit("an earlier import brought this row already"))


def _series(files: Files, known: Known) -> Iterator[pl.DataFrame]:
    named = files["series"].with_columns(series=series_name())
    yield faults(
        named.join(known.series, on="series", how="semi"),
        pl.format("series {} has numbers in Meterhouse already", "series"),
    )
    yield faults(
        named.filter(pl.col("last_date").dt.year() != pl.col("year")),
        pl.lit("last_date is not in year"),
    )
    yield from _again("payments", files["payments"], known)
