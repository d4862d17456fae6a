"""Laws of pools: what the oracle measures of all customers together, however usage arrives."""

import shutil
from random import Random

import pytest
from hypothesis import given

from tests.truth.conftest import SOAK_EXAMPLES
from tests.truth.local_days import DAY
from tests.truth.metered_home import MeteredHome, found
from tests.truth.metered_world import DAYS
from tests.truth.pooled_world import expected_of_pool, pooled_world
from tests.truth.test_laws import SEEDS, law


@pytest.fixture(scope="session")
def pooled(tmp_path_factory):
    """Makes a home for the book of a world and removes the one before."""
    folder = tmp_path_factory.mktemp("pooled")

    def make(documents):
        shutil.rmtree(folder / "home", ignore_errors=True)
        return MeteredHome(folder / "home", documents)

    return make


def check_any_pool(pooled, seed):
    """After each step, where the pool was not in the book of the first, and made anew."""
    made, read = pooled_world(seed)
    home, rng = pooled(made.early), Random(seed)
    throughs = sorted(made.first + rng.randint(5, DAYS) * DAY for _ in made.batches)
    for count, (batch, through) in enumerate(zip(made.batches, throughs, strict=True), start=1):
        home.load(batch)
        if count == 1:
            home.measure(through)
            home.record(made.documents)
        assert differences(home.measure(through), made, read, count, through) == {}
    stepwise = home.measure(made.through)
    assert differences(stepwise, made, read, len(made.batches), made.through) == {}
    home.forget()
    assert home.measure(made.through) == stepwise


def differences(rows, made, read, count, through):
    """Of the pool's determinants those that are not as the oracle has them: (oracle, product)."""
    arrived = made._replace(batches=made.batches[:count]).arrived
    wanted = expected_of_pool(made, read, arrived, through)
    measured = {key: one for key, one in found(rows, through).items() if key.contract == "pool"}
    return {
        key: (wanted.get(key), measured.get(key))
        for key in wanted.keys() | measured.keys()
        if wanted.get(key) != measured.get(key)
    }


@pytest.mark.slow
@law(1)
@given(seed=SEEDS)
def test_every_determinant_of_a_pool_is_that_of_the_oracle_and_of_a_rebuild(pooled, seed):
    check_any_pool(pooled, seed)


@pytest.mark.soak
@law(SOAK_EXAMPLES, is_soak=True)
@given(seed=SEEDS)
def test_soak_every_determinant_of_a_pool_is_that_of_the_oracle(pooled, seed):
    check_any_pool(pooled, seed)
