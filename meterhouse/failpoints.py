"""Named places where a test may end the process, to prove that a plain re-run repairs everything.

`METERHOUSE_FAILPOINT=commit.rename` kills at the first pass, `commit.rename:3` at the third,
`commit.rename:1:enospc` raises "no space left" and `:raise` raises a RuntimeError instead.
Unset, a failpoint costs one dictionary look-up.
"""

import errno
import os
import signal
from collections import Counter

NAMES = (
    "ingest.staged",
    "ingest.classified",
    "commit.begin",
    "commit.counter",
    "commit.write",
    "commit.fsync",
    "commit.hash",
    "commit.rename",
    "commit.register",
    "commit.cursor",
    "commit.before",
    "commit.after",
    "run.pinned",
    "run.windows",
    "run.usage",
    "run.rated",
    "run.drafted",
    "run.checked",
    "run.manifest",
    "issue.numbered",
    "run.issued",
    "run.marts",
    "publish.copied",
    "publish.renamed",
    "export.written",
    "export.verified",
    "export.moved",
    "export.swapped",
)

_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """End the process here if the environment names this place; otherwise do nothing."""
    wanted = os.environ.get("METERHOUSE_FAILPOINT")
    if wanted is None:
        return
    place, _, rest = wanted.partition(":")
    if place != name:
        return
    if name not in NAMES:
        raise RuntimeError(f"Failpoint {name!r} is not listed in meterhouse.failpoints.NAMES.")
    number, _, mode = rest.partition(":")
    _passes[name] += 1
    if _passes[name] == int(number or 1):
        _strike(name, mode or "kill")


def _strike(name: str, mode: str) -> None:
    if mode == "enospc":
        raise OSError(errno.ENOSPC, "No space left on device", name)
    if mode == "raise":
        raise RuntimeError(f"failpoint {name}")
    os.kill(os.getpid(), signal.SIGKILL)
