"""Laws of metering: what the oracle measures, however and in whatever steps usage arrives."""

import shutil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.truth.conftest import SOAK_EXAMPLES
from tests.truth.local_days import DAY
from tests.truth.metered_home import MeteredHome, expected, found
from tests.truth.metered_world import DAYS, Batch, world
from tests.truth.test_laws import SEEDS, law


@pytest.fixture(scope="session")
def metered(tmp_path_factory):
    """Makes a home for the book of a world and removes the one before."""
    folder = tmp_path_factory.mktemp("metered")

    def make(documents):
        shutil.rmtree(folder / "home", ignore_errors=True)
        return MeteredHome(folder / "home", documents)

    return make


def check_any_world(metered, seed):
    """Right after each step, and all of it the same when it is made anew from the facts."""
    made = world(seed)
    home, rng = metered(made.early), Random(seed)
    throughs = sorted(made.first + rng.randint(5, DAYS) * DAY for _ in made.batches)
    for count, (batch, through) in enumerate(zip(made.batches, throughs, strict=True), start=1):
        loaded = home.load(batch)
        assert sum(one.quarantined + one.conflict for one in loaded) == 0
        if count == 1:
            home.measure(through)
            home.record(made.documents)
        if rng.random() < 0.5:
            assert differences(home.measure(through), made, count, through) == {}
    stepwise = home.measure(made.through)
    assert differences(stepwise, made, len(made.batches), made.through) == {}
    home.forget()
    assert home.measure(made.through) == stepwise


def differences(rows, made, count, through):
    """Of the determinants that are not as the oracle has them: (oracle, product)."""
    arrived = made._replace(batches=made.batches[:count]).arrived
    wanted, measured = expected(made, arrived, through), found(rows, through)
    return {
        key: (wanted.get(key), measured.get(key))
        for key in wanted.keys() | measured.keys()
        if wanted.get(key) != measured.get(key)
    }


def check_any_arrival(metered, seed, count):
    """Distinct events in any order, split and repetition, against all of them at once."""
    made = world(seed, is_distinct=True)
    events, rng = [event for batch in made.batches for event in batch.events], Random(seed)
    now = made.batches[0].now
    at_once = metered(made.documents)
    at_once.load(Batch(now, events))
    wanted = at_once.measure(made.through)
    home = metered(made.documents)
    for batch in dealt(events, rng, count):
        home.load(Batch(now, batch))
        if rng.random() < 0.5:
            home.measure(made.through)
    assert home.measure(made.through) == wanted
    assert [row for row in wanted if row["event_count"]]


def dealt(events, rng, count):
    """The events in so many batches, in any order; every seventh comes again."""
    made = [[] for _ in range(count)]
    for event in rng.sample(events, len(events)):
        rng.choice(made).append(event)
        if rng.random() < 1 / 7:
            rng.choice(made).append(event)
    return [batch for batch in made if batch]


@pytest.mark.slow
@law(1)
@given(seed=SEEDS)
def test_every_determinant_is_that_of_the_oracle_and_of_a_rebuild(metered, seed):
    check_any_world(metered, seed)


@pytest.mark.slow
@law(1)
@given(seed=SEEDS)
def test_order_split_and_repetition_change_no_determinant(metered, seed):
    check_any_arrival(metered, seed, 3)


@pytest.mark.soak
@law(SOAK_EXAMPLES, is_soak=True)
@given(seed=SEEDS)
def test_soak_every_determinant_is_that_of_the_oracle_and_of_a_rebuild(metered, seed):
    check_any_world(metered, seed)


@pytest.mark.soak
@law(SOAK_EXAMPLES, is_soak=True)
@given(seed=SEEDS, count=st.integers(1, 5))
def test_soak_order_split_and_repetition_change_no_determinant(metered, seed, count):
    check_any_arrival(metered, seed, count)
