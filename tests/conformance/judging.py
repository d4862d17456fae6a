"""What becomes of a case: it holds, it is known not to be built, or it fails the suite."""

import pytest

from meterhouse.errors import MeterhouseError
from tests.conformance import charging, lifecycle, metering
from tests.conformance.vectors import NotSupported


def check(case, measured):
    kind = case.get("kind")
    if kind == "charge":
        charging.check_charge(case)
    elif kind == "subtotal":
        charging.check_subtotal(case)
    elif kind == "lifecycle":
        lifecycle.check(case)
    elif kind == "meter":
        metering.check_meter(case, measured[case["id"]])
    else:
        raise NotSupported(f"kind {kind}")


def fault_of(case, measured):
    """Why the case does not hold, or None."""
    try:
        check(case, measured)
    except (NotSupported, AssertionError, MeterhouseError) as fault:
        return str(fault) or type(fault).__name__
    return None


def check_case(case, measured, not_built):
    """Passes, fails or expects the failure of one case."""
    fault = fault_of(case, measured)
    if case["id"] not in not_built:
        assert fault is None, fault
    elif fault is None:
        pytest.fail(f"{case['id']} holds now: strike it off the baseline.")
    else:
        pytest.xfail(fault)
