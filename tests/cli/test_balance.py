"""Balances at the command line: put in, shown, paid back, ended; dry runs move nothing."""

import shutil

import pytest

from tests.cli.conftest import Home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]
DEPOSIT = ("balance", "add", "contoso", "500", "USD", "--source", "deposit", "--reason", "early")
ENTITY = ("--entity", "acme-ai", "--on", "2023-12-01")


@pytest.fixture
def home(billed, tmp_path):
    shutil.copytree(billed.folder, tmp_path / "home")
    return Home(tmp_path / "home")


def test_a_wallet_from_deposit_to_its_end(home):
    dry = home.json(*DEPOSIT, *ENTITY, "--dry-run")
    assert (dry["is_dry"], dry["moves"][0]["amount"]) == (True, "500.00")
    assert home.call("balance", "show").stdout.startswith("Nobody has a balance")
    added = home.json(*DEPOSIT, *ENTITY, "--yes")
    lot = added["moves"][0]["lot_id"]
    paid = home.call(
        "balance", "refund", "contoso", "120.50", "USD", "--reason", "asked", *ENTITY, "--yes"
    )
    assert "Recorded as paid back: 120.50 USD of contoso." in paid.stdout
    found = home.json("balance", "show", "contoso")
    assert [(one["lot_id"], one["remaining"]) for one in found["lots"]] == [(lot, "379.50")]
    assert found["wallets"] == [
        {"customer_id": "contoso", "currency": "USD", "remaining": "379.50"}
    ]
    assert "contoso: 379.50 USD left" in home.call("balance", "show").stdout
    ended = home.json("balance", "end", lot[:8], "--reason", "typed twice", "--yes")
    assert [one["kind"] for one in ended["moves"]] == ["expiry"]
    moves = home.json("balance", "show", "contoso", "--moves")["moves"]
    assert [(one["kind"], one["amount"]) for one in moves] == [
        ("lot", "500.00"), ("refund", "120.50"), ("expiry", "379.50"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("cotnoso", "5", "USD", *ENTITY), "did you mean 'contoso'?"),
        (("contoso", "5", "USD"), "Say with --entity whose debt it is: acme-ai, acme-eu."),
        (("contoso", "5.001", "USD", *ENTITY), "at most 2 places"),
        (("contoso", "five", "USD", *ENTITY), "'five' is not an amount such as 20.00."),
        (("contoso", "5", "DOLLAR", *ENTITY), "DOLLAR is not a currency of ISO 4217."),
    ],
)
def test_what_cannot_be_put_in_is_refused_with_a_sentence(billed, words, sentence):
    done = billed.call("balance", "add", *words, "--source", "deposit", "--reason", "x", "--yes")
    assert done.exit_code != 0
    told = " ".join(done.stderr.split())
    assert sentence in told
    assert "Nothing was done." in told
