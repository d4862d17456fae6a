"""Which taxes hold for each line, by the rules of jurisdictions: one result, or a sentence.

Nothing is taxed at 0 % because nothing was found: a line without a result blocks its document.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from meterhouse.invoicing.prepaid import CREDIT_SALE
from meterhouse.money import AMOUNT

if TYPE_CHECKING:
    from meterhouse.invoicing.tax_engine import EngineBook

# The states of the European Union, as addresses spell them.
_STATES = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU = tuple(_STATES.split())
REVERSE_CHARGE = (
    "Reverse charge: VAT is due from the customer, Article 196 of Directive 2006/112/EC "
    "(seller {}, customer {})."
)
EXPORT = "Supplied outside the European Union: not subject to VAT of {}."
STANDARD = "standard"

Schema = Mapping[str, pl.DataType | type[pl.DataType]]
_DAYS: Schema = {"from_on": pl.Date, "until_on": pl.Date}
_RATE: Schema = {"rate": AMOUNT, "is_compound": pl.Boolean, "place": pl.Int64}


def _schema(texts: str, *others: Schema) -> Schema:
    columns: dict[str, pl.DataType | type[pl.DataType]] = dict.fromkeys(texts.split(), pl.String)
    for other in others:
        columns |= other
    return MappingProxyType(columns)


RULES = _schema("country region category treatment name reason", _RATE, _DAYS)
REGISTRATIONS = _schema("entity_id country region number point", _DAYS)
SELLERS = _schema("entity_id rounding mode point seller_country seller_vat")
BUYERS = _schema("customer_id country region buyer_vat")
EXEMPTIONS = _schema("customer_id country region category certificate reason", _DAYS)
CATEGORIES = _schema("contract_id item_id category")
# What a line is taxed by: one row per line and tax.
LINE_RULE = _schema("category treatment country region name reason certificate registration", _RATE)
ORIGINALS = _schema("line_key", LINE_RULE)


class TaxBook(NamedTuple):
    """What the book says of taxes on one day: a frame of each schema above.

    `sellers` are the entities that tax by rules; `originals` the taxes of lines billed before;
    `engines` is there if any entity asks an engine.
    """

    rules: pl.DataFrame
    registrations: pl.DataFrame
    sellers: pl.DataFrame
    buyers: pl.DataFrame
    exemptions: pl.DataFrame
    categories: pl.DataFrame
    originals: pl.DataFrame
    engines: "EngineBook | None" = None


class Resolved(NamedTuple):
    """`lines`: draft_id, line_no, amount and LINE_RULE; `faults`: draft_id and a sentence."""

    lines: pl.DataFrame
    faults: pl.DataFrame


_LINE = ("draft_id", "line_no")
_WHERE = pl.concat_str([pl.col("country"), pl.col("region")], separator="-", ignore_nulls=True)
_NO = pl.lit(None, pl.String)


def resolved(heads: pl.DataFrame, lines: pl.DataFrame, book: TaxBook) -> Resolved:
    """The taxes of the lines of drafts that rules decide, or why they decide nothing.

    Heads: draft_id, entity_id, customer_id, invoice_date; lines: as drafts hold them.
    """
    asked = _asked(heads, lines, book)
    known = asked.join(book.originals, on="line_key", how="semi").filter("is_correction")
    # A correction is taxed as what it corrects, whatever holds now.
    again = known.drop("category", "country", "region").join(book.originals, on="line_key")
    fresh = asked.join(known.select(_LINE), on=_LINE, how="anti")
    outside, faults = _without_rules(fresh, book)
    inside = fresh.join(outside.select(_LINE), on=_LINE, how="anti")
    inside = inside.join(faults.select(_LINE), on=_LINE, how="anti")
    ruled, missing = _by_rules(inside, book)
    told, expired = _exempted(ruled, book)
    found = pl.concat([_rows(frame) for frame in (again, outside, told)])
    reasons = pl.concat([_faults(frame) for frame in (faults, missing, expired)])
    return Resolved(found.sort(*_LINE, "place", "name"), reasons.unique().sort("draft_id", "fault"))


def _rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        *_LINE,
        "is_inclusive",
        pl.col("amount").cast(AMOUNT),
        *(
            (pl.col(name) if name in frame.columns else _NO).cast(kind).alias(name)
            for name, kind in LINE_RULE.items()
        ),
    )


def _faults(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("draft_id", pl.col("fault").cast(pl.String))


def _asked(heads: pl.DataFrame, lines: pl.DataFrame, book: TaxBook) -> pl.DataFrame:
    """The lines that are taxed, with what is known of seller, buyer and category."""
    named = heads.select("draft_id", "entity_id", "customer_id", "invoice_date")
    parties = named.join(book.sellers, on="entity_id").join(
        book.buyers, on="customer_id", how="left"
    )
    own = categorized(lines, book.categories).select(
        *_LINE,
        *("contract_id", "line_key", "is_correction", "window_end_on", "amount"),
        *("item_id", "category", "is_inclusive"),
    )
    return own.join(parties, on="draft_id")


def categorized(lines: pl.DataFrame, categories: pl.DataFrame | None) -> pl.DataFrame:
    """The lines that are taxed, with the item that each is about, and its `category`.

    Without categories (CATEGORIES) the column is missing.
    """
    # What a contract takes off an item is of the item's category.
    about = pl.when(pl.col("role").is_in(["discount", "credit", "voucher"])).then(
        pl.col("dimensions").str.json_path_match("$.item")
    )
    own = lines.filter(pl.col("role") != CREDIT_SALE).with_columns(
        item_id=pl.coalesce(about, "item_id")
    )
    if categories is None:
        return own
    only = categories.group_by("contract_id").agg(
        only=pl.col("category").first(), count=pl.col("category").n_unique()
    )
    # What a contract charges for none of its items is of their category, where they have but one.
    shared = pl.when(pl.col("count") == 1).then("only")
    return (
        own.join(categories, on=["contract_id", "item_id"], how="left")
        .join(only, on="contract_id", how="left")
        .with_columns(category=pl.coalesce("category", shared, pl.lit(STANDARD)))
        .drop("only", "count")
    )


def _without_rules(asked: pl.DataFrame, book: TaxBook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines of reverse charge and of export; and those whose buyer's place is not known."""
    charges = book.registrations.select("entity_id", "country").unique()
    charged = asked.join(charges, on=["entity_id", "country"], how="semi").select(_LINE)
    seller, buyer = pl.col("seller_country"), pl.col("country")
    vats = (_vat_country("seller_vat"), _vat_country("buyer_vat"))
    is_reverse = (
        seller.is_in(EU) & buyer.is_in(EU) & (seller != buyer)
        & vats[0].is_in(EU) & vats[1].is_in(EU) & (vats[0] != vats[1])
    )  # fmt: skip
    is_abroad = seller.is_in(EU) & ~buyer.is_in(EU)
    reverse = asked.filter(is_reverse).with_columns(
        treatment=pl.lit("reverse_charge"),
        reason=pl.format(REVERSE_CHARGE, "seller_vat", "buyer_vat"),
        registration="seller_vat",
    )
    export = (
        asked.filter(is_abroad)
        .join(charged, on=_LINE, how="anti")
        .with_columns(
            treatment=pl.lit("export"),
            reason=pl.format(EXPORT, "seller_country"),
            registration="seller_vat",
        )
    )
    untaxed = pl.concat([reverse, export]).with_columns(
        name=_NO, rate=pl.lit(0).cast(AMOUNT), is_compound=pl.lit(value=False),
        place=pl.lit(1, pl.Int64), certificate=_NO,
    )  # fmt: skip
    nowhere = asked.filter(buyer.is_null()).with_columns(
        fault=pl.format(
            "Customer {} has no address, so no rule says how it is taxed; add `address`, `ship_to` "
            "or `tax` to it, then run again.",
            "customer_id",
        )
    )
    return untaxed, nowhere


def _vat_country(column: str) -> pl.Expr:
    """The state that gave a VAT number; Greece writes EL."""
    return pl.col(column).str.head(2).str.to_uppercase().replace("EL", "GR")


def _by_rules(lines: pl.DataFrame, book: TaxBook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row per line and rule of the places where the entity is registered; every such place
    must have one, so that nothing is left untaxed because nobody wrote it down."""
    registered = (
        lines.join(
            book.registrations.rename({"region": "of_region", "point": "own_point"}),
            on=["entity_id", "country"],
        )
        .filter(pl.col("of_region").is_null() | (pl.col("of_region") == pl.col("region")))
        .with_columns(point_on=_point_on())
        .filter(_holds("from_on", "until_on"))
        .drop("from_on", "until_on")
        .with_columns(region="of_region", registration="number")
    )
    nowhere = lines.join(registered, on=_LINE, how="anti").with_columns(
        fault=pl.format(
            "Entity {} is not registered for taxes in {}, so no rule says how customer {} is "
            "taxed; add a registration to it or `tax` to the customer, then run again.",
            "entity_id", _WHERE, "customer_id",
        )
    )  # fmt: skip
    ruled = registered.join(
        book.rules, on=["country", "region", "category"], nulls_equal=True
    ).filter(_holds("from_on", "until_on"))
    key = [*_LINE, "country", "region"]
    silent = registered.join(ruled, on=key, how="anti", nulls_equal=True).with_columns(
        fault=pl.format(
            "No tax rule of {} for category {} holds on {}, for customer {}; add one, then run "
            "again.",
            _WHERE, "category", pl.col("point_on").dt.to_string("%Y-%m-%d"), "customer_id",
        )
    )  # fmt: skip
    faults = pl.concat([_faulty(nowhere), _faulty(silent)])
    return ruled.join(faults, on=_LINE, how="anti"), faults


def _faulty(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(*_LINE, "fault")


def _point_on() -> pl.Expr:
    """The day whose rate holds for a line."""
    by_service = pl.coalesce("own_point", "point") == "service_end"
    last_day = pl.col("window_end_on") - pl.duration(days=1)
    return pl.when(by_service).then(last_day).otherwise("invoice_date").cast(pl.Date)


def _holds(from_on: str, until_on: str) -> pl.Expr:
    point = pl.col("point_on")
    return (pl.col(from_on) <= point).fill_null(True) & (point < pl.col(until_on)).fill_null(True)


def _exempted(ruled: pl.DataFrame, book: TaxBook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows, of which certificates in force take the tax; and those that had run out.

    One that has run out blocks: whether it was renewed is for people to say.
    """
    numbered = ruled.with_row_index("row")
    certificates = book.exemptions.rename(
        {"region": "for_region", "category": "for_category", "reason": "exempt_reason"}
    ).drop("from_on", "until_on")
    dates = book.exemptions.select(exempt_from="from_on", exempt_until="until_on")
    offered = (
        numbered.drop("from_on", "until_on")
        .join(pl.concat([certificates, dates], how="horizontal"), on=["customer_id", "country"])
        .filter(
            pl.col("for_region").is_null() | (pl.col("for_region") == pl.col("region")),
            pl.col("for_category").is_null() | (pl.col("for_category") == pl.col("category")),
            pl.col("treatment") == "taxed",
        )
    )
    valid = (
        offered.filter(_holds("exempt_from", "exempt_until"))
        .sort("row", "certificate")
        .unique("row", keep="first", maintain_order=True)
        .select("row", "certificate", "exempt_reason")
    )
    ran_out = offered.filter(pl.col("exempt_until") <= pl.col("point_on"))
    faults = ran_out.join(valid, on="row", how="anti").with_columns(
        fault=pl.format(
            "Certificate {} of customer {} has run out on {}; add the one that follows it, or "
            "remove it so that the customer is taxed, then run again.",
            "certificate", "customer_id", pl.col("exempt_until").dt.to_string("%Y-%m-%d"),
        )
    )  # fmt: skip
    is_exempt = pl.col("certificate").is_not_null()
    told = numbered.join(valid, on="row", how="left").with_columns(
        treatment=pl.when(is_exempt).then(pl.lit("exempt")).otherwise("treatment"),
        rate=pl.when(is_exempt).then(pl.lit(0).cast(AMOUNT)).otherwise(pl.col("rate").cast(AMOUNT)),
        is_compound=pl.when(is_exempt).then(pl.lit(value=False)).otherwise("is_compound"),
        reason=pl.when(is_exempt).then("exempt_reason").otherwise("reason"),
    )
    return told, faults
