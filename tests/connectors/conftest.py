from collections.abc import Iterator

import pytest

from tests.connectors.http_bench import FIVE
from tests.servers.http_api import Api, serving


@pytest.fixture
def api() -> Iterator[Api]:
    """A JSON API with five records and no faults."""
    with serving(Api(FIVE)) as api:
        yield api
