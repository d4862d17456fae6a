"""PDFs of issued documents: how many a second, and whether memory follows their number.

`python -m benchmarks.pdfs --documents 10_000`. Contracts with a year of billed history, a document
of two to four lines a month; every PDF is written and its bytes are kept in the lake.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.billed_home import billed_home
from benchmarks.run import timed
from meterhouse.run.documents import Rendered, render

MONTHS = 12
DOCUMENTS = 10_000


def main() -> None:
    """Print the rate, and the memory of the process at the first and the last tenth."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=lambda text: int(text.replace("_", "")),
                        default=DOCUMENTS)  # fmt: skip
    documents = parser.parse_args().documents
    with tempfile.TemporaryDirectory() as folder:
        row = measure(Path(folder), documents)
    sys.stdout.write(
        f"{row['documents']:,} PDFs: {row['seconds']:.1f} s, {row['cpu_seconds']:.1f} CPU, "
        f"{row['rows_per_second']:,} a second, peak {row['peak_mb']:,} MB; memory "
        f"{row['first_mb']:,} MB after the first tenth, {row['last_mb']:,} MB at the end\n"
    )


def measure(folder: Path, documents: int) -> dict[str, Any]:
    """What `timed` says, with the number of PDFs and the memory in MB after a tenth of them and at
    the end."""
    lake = billed_home(folder / "home", -(-documents // MONTHS))
    held: list[int] = []
    done: list[Rendered] = []

    def work() -> None:
        tell = lambda _: held.append(_resident_mb())  # noqa: E731
        done.append(render(lake, None, "pdf", folder / "pdf", tell=tell))

    row = timed("pdfs", documents, work)
    if done[0].failed:
        raise AssertionError(done[0].failed[0])
    return {
        **row,
        "documents": len(done[0].written),
        "first_mb": held[len(held) // 10],
        "last_mb": held[-1],
    }


def _resident_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


if __name__ == "__main__":
    main()
