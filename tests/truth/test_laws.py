"""Laws of arrival: split, order, repetition and lateness decide nothing in the end."""

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.truth import oracle
from tests.truth.conftest import SOAK_EXAMPLES
from tests.truth.delivery import batches
from tests.truth.events import usage
from tests.truth.harness import MONTHS

SEEDS = st.integers(0, 2**32)


def law(examples, *, is_soak=False):
    """Few examples, the same every time, in the normal suite; many new ones in the soak."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=not is_soak,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def check_any_arrival(another, in_one_run, seed, count):
    home = another()
    for batch in batches(usage(), Random(seed), count):
        home.land(batch)
    done = home.issue(MONTHS[-1])
    assert sum(one.accepted for one in done.loaded) == len(usage())
    assert home.contents() == in_one_run.contents()


def check_late_arrival(another, seed):
    """Part of the usage comes after two months were billed; nothing is due that was not billed."""
    home = another()
    rng = Random(seed)
    first, *late = batches(usage(), rng, 2)
    home.load(first)
    home.issue(MONTHS[rng.randrange(3)])
    for batch in late:
        home.load(batch)
    done = home.issue(MONTHS[-1])
    assert done.failed == set()
    assert home.sums() == oracle.sums(home.book, usage(), MONTHS[-1])
    assert home.issue(MONTHS[-1]).issued.numbers == ()


@pytest.mark.slow
@law(1)
@given(seed=SEEDS, count=st.integers(1, 3))
def test_split_order_and_repetition_change_no_document(another, in_one_run, seed, count):
    check_any_arrival(another, in_one_run, seed, count)


@pytest.mark.slow
@law(1)
@given(seed=SEEDS)
def test_late_batches_leave_every_window_at_what_it_would_have_been(another, seed):
    check_late_arrival(another, seed)


@pytest.mark.soak
@law(SOAK_EXAMPLES, is_soak=True)
@given(seed=SEEDS, count=st.integers(1, 8))
def test_soak_split_order_and_repetition_change_no_document(another, in_one_run, seed, count):
    check_any_arrival(another, in_one_run, seed, count)


@pytest.mark.soak
@law(SOAK_EXAMPLES, is_soak=True)
@given(seed=SEEDS)
def test_soak_late_batches_leave_every_window_at_what_it_would_have_been(another, seed):
    check_late_arrival(another, seed)
