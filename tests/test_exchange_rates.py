"""Exchange rates: which one holds on a day, also inverse and across a base; refused files."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.exchange_rates import ASKED, RATES, found
from meterhouse.run.exchange import RatesFault, import_rates, rate_of
from tests.truth.harness import Home

D = Decimal
PUBLISHED = [
    ("2026-01-30", "USD", "1.0389"), ("2026-01-30", "JPY", "160.86"),
    ("2026-01-30", "KWD", "0.32105"), ("2026-02-02", "USD", "1.0274"),
    ("2026-02-02", "JPY", "159.31"), ("2026-02-03", "JPY", "158.90"),
]  # fmt: skip


def asked(currency, wanted, on, max_age=5, source="ecb"):
    rates = pl.DataFrame(
        [("ecb", date.fromisoformat(day), "EUR", quote, D(rate)) for day, quote, rate in PUBLISHED],
        schema=dict(RATES), orient="row",
    )  # fmt: skip
    row = ("a", source, currency, wanted, date.fromisoformat(on), max_age)
    [told] = found(rates, pl.DataFrame([row], schema=dict(ASKED), orient="row")).to_dicts()
    return told


@pytest.mark.parametrize(
    ("currency", "wanted", "on", "rate", "published"),
    [
        ("EUR", "USD", "2026-01-30", "1.0389", "2026-01-30"),
        # A weekend has the rate of the Friday before it.
        ("EUR", "USD", "2026-02-01", "1.0389", "2026-01-30"),
        ("EUR", "USD", "2026-02-02", "1.0274", "2026-02-02"),
        # 1 / 1.0389, and both of two currencies from one day: of the third there is no dollar.
        ("USD", "EUR", "2026-01-30", "0.9625565502", "2026-01-30"),
        ("USD", "JPY", "2026-02-03", "155.0613198365", "2026-02-02"),
        ("JPY", "KWD", "2026-02-04", "0.0019958349", "2026-01-30"),
        ("EUR", "EUR", "2026-02-03", "1", "2026-02-03"),
    ],
)
def test_the_newest_rate_on_or_before_a_day_holds(currency, wanted, on, rate, published):
    told = asked(currency, wanted, on)
    assert (told["rate"], told["rate_on"]) == (D(rate), date.fromisoformat(published))
    assert told["fault"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("EUR", "KWD", "2026-02-05"), "is of 2026-01-30, more than 5 days earlier"),
        (("EUR", "USD", "2026-01-29"), "No rate from EUR to USD of source ecb is recorded on or"),
        (("EUR", "PLN", "2026-02-03"), "No rate from EUR to PLN of source ecb is recorded"),
        (("EUR", "USD", "2026-02-03", 5, "nbp"), "No rate from EUR to USD of source nbp"),
    ],
)
def test_what_no_rate_says_is_a_sentence_with_the_day(words, sentence):
    told = asked(*words)
    assert (told["rate"], told["rate_on"]) == (None, None)
    assert sentence in told["fault"]
    assert told["fault"].endswith("import one with `meterhouse rates import`, then run again.")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home.make(tmp_path_factory.mktemp("rates") / "home")


def written(home, text):
    path = home.path / "file.csv"
    path.write_text(text)
    return path


def test_both_layouts_of_the_bank_and_our_own_are_read(home):
    daily = written(home, "Date, USD, JPY, \n30 January 2026, 1.0389, 160.86, \n")
    done = import_rates(home.lake, daily, "daily", "ecb", dry=True)
    assert (done.new, done.batch_seq, done.first_on) == (2, None, date(2026, 1, 30))
    whole = written(home, "Date,USD,ROL,\n2026-02-02,1.0274,N/A,\n2026-01-30,1.0389,N/A,\n")
    assert import_rates(home.lake, whole, "ecb", "ecb").new == 2
    again = import_rates(home.lake, whole, "ecb", "ecb")
    assert (again.new, again.known, again.batch_seq) == (0, 2, None)
    own = written(home, "date,base,quote,rate\n2026-01-30,KWD,USD,3.2361\n")
    assert import_rates(home.lake, own, "bank", "csv").new == 1
    told = rate_of(home.lake, "USD", "KWD", "bank", date(2026, 1, 31), 5)
    assert (told["rate"], told["rate_on"]) == (D("0.3090139365"), date(2026, 1, 30))
    with pytest.raises(UsageError, match="Sources on record: bank, ecb"):
        rate_of(home.lake, "USD", "KWD", "fed", date(2026, 1, 31), 5)


def test_a_file_with_faults_is_refused_with_all_of_them(home):
    before = home.count_facts()
    faulty = written(
        home,
        "date,base,quote,rate\n30.1.2026,EUR,USD,1\n2026-01-30,EUR,USX,1\n2026-01-30,EUR,EUR,1\n"
        "2026-01-30,EUR,USD,-1\n2026-01-30,EUR,JPY,x\n2026-01-30,EUR,CHF,NaN\n2026-01-30,EUR\n"
        "2026-01-30,EUR,PLN,4.2\n2026-01-30,EUR,PLN,4.3\n",
    )
    with pytest.raises(RatesFault) as refused:
        import_rates(home.lake, faulty, "ecb", "csv")
    told = "\n".join(refused.value.faults)
    for line, word in {
        2: "is no date", 3: "USX is no currency", 4: "to itself", 5: "is no rate",
        6: "is no rate", 7: "is no rate", 8: "has 2 values", 10: "is there before",
    }.items():  # fmt: skip
        assert any(
            one.startswith(f"line {line}") and word in one for one in refused.value.faults
        ), (line, told)
    for layout, text in (("ecb", "day,USD\n"), ("csv", "date,rate\n"), ("csv", "")):
        with pytest.raises(RatesFault, match="was not imported; correct it"):
            import_rates(home.lake, written(home, text), "ecb", layout)
    assert home.count_facts() == before
