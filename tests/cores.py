"""Each worker of pytest-xdist keeps to cores of its own.

Two workers whose libraries each start a thread for every core spend a fifth more CPU, on the same
work, than two that do not meet.
"""

import os


def keep_to_own_cores(environment):
    """Keep this process, if it is a worker, to its share of the cores; elsewhere all are there."""
    name, count = (
        environment.get(key) for key in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT")
    )
    if name is None or count is None or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    own = cores[int(name.removeprefix("gw")) :: int(count)]
    if own:  # More workers than cores share them.
        os.sched_setaffinity(0, own)
