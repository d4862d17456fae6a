"""Cases of kind meter: all of them are measured in one go, then compared one by one."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from tests.conformance.engine import measure_all
from tests.conformance.vectors import NotSupported

_MODES = {"half_up": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}


def measure(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By case id what was measured, in the shape of `expected`, or a NotSupported that says why."""
    return measure_all(cases)


def check_meter(case: Mapping[str, Any], found: Any) -> None:
    """Compares what was measured with what was published; in any order of rows."""
    if isinstance(found, NotSupported):
        raise found
    published, measured = _comparable(case["expected"], case), _comparable(found, case)
    assert measured == published, f"published {published}, found {measured}"


def _comparable(value: Any, case: Mapping[str, Any]) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        rows = [{**row, "value": _comparable(row["value"], case)} for row in value]
        return sorted(rows, key=repr)
    return _rounded(Decimal(value), case)


def _rounded(value: Decimal, case: Mapping[str, Any]) -> Decimal:
    if "round_to" not in case:
        return value.normalize()
    mode = _MODES[case.get("rounding", "half_up")]
    return value.quantize(Decimal(1).scaleb(-case["round_to"]), rounding=mode).normalize()
