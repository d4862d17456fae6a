from meterhouse.ledger.accounts import ACCOUNTS, RULES, accounts, rules


def test_every_rule_moves_an_account_of_the_chart_on_a_real_side():
    assert {rule.account for rule in RULES} == {account.account for account in ACCOUNTS}
    assert {rule.side for rule in RULES} == {"debit", "credit"}


def test_an_account_and_a_leg_of_an_event_are_there_once():
    assert accounts()["account"].is_unique().all()
    assert not rules().select("event", "leg").is_duplicated().any()


def test_assets_grow_on_the_debit_side_and_the_others_on_the_credit_side():
    # What is taken off revenue grows against it.
    own = [row for row in ACCOUNTS if row.account != "sales_discounts"]
    assert all((row.type == "asset") == (row.normal_side == "debit") for row in own)
