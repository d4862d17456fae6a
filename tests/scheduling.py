"""Which worker of pytest-xdist runs which tests: those that share a costly fixture stay together.

xdist 3.8 hands `xdist_group` over in the ids of the tests, which pytest 9.2 no longer lets it
change: `--dist loadgroup` then deals single tests out, each worker makes every home anew and a
file whose tests tell a story is torn apart. Ids name files, so files are what we keep together.
"""

from collections import Counter

import pytest

# Folders whose fixtures of the session are too dear to be made by both workers.
TOGETHER = ("tests/dbt/", "tests/demo/", "tests/exports/", "tests/pipelines/")


def scope_of(nodeid: str) -> str:
    """The folder or file whose tests run one after the other in one process."""
    file = nodeid.split("::", 1)[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def slowest_first(items: list[pytest.Item]) -> None:
    """Scopes with many slow tests come first: what is short fills the gaps at the end."""
    slow = Counter(scope_of(i.nodeid) for i in items if i.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[scope_of(item.nodeid)], scope_of(item.nodeid)))


def scheduler(config: pytest.Config, log):
    """A scheduler of xdist that deals out whole scopes in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Scopes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False
    return Scopes(config, log)
