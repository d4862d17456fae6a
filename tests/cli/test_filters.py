"""Filters are parsed with all their faults at once, and their words never become SQL."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.cli.filters import EVERYTHING, parsed
from meterhouse.errors import UsageError


def test_no_filter_is_everything():
    assert parsed([]) == EVERYTHING


def test_parts_hold_together_and_their_values_are_parameters():
    found = parsed(["customer=acme,max-total=12.50", "until=2025-01-01"])
    assert found.where.count("?") == 3
    assert found.parameters == ("acme", Decimal("12.50"), date(2025, 1, 1))
    assert found.named == (("customer", "acme"),)
    assert "acme" not in found.where
    assert "drop" not in parsed(["customer=x'; drop table y"]).where


def test_all_faults_are_told_at_once_with_the_nearest_key():
    with pytest.raises(UsageError) as refused:
        parsed(["custmer=acme,max-total=much", "until=tomorrow", "entity="])
    said = str(refused.value)
    assert "did you mean 'customer'" in said
    for part in ("'much' is no value for max-total", "'tomorrow'", "'entity='", "Nothing was"):
        assert part in said
