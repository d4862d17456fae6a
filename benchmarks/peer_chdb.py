"""chDB's child: it needs nothing but chDB, so that another interpreter may run it.

`python -m benchmarks.peer_chdb RESULT FILE…` writes the groups as Parquet and says what they cost.
"""

import sys
import time
from pathlib import Path

from benchmarks.children import measured, say


def main() -> None:
    result, *files = sys.argv[1:]
    started = time.perf_counter()
    try:
        from chdb.session import Session
    except ModuleNotFoundError as error:
        say(failed=f"chDB is not installed ({error}): pip install -r requirements/bench.txt")
        return
    session = Session()
    session.query("set session_timezone = 'UTC'")
    say(import_seconds=round(time.perf_counter() - started, 3))
    names = ",".join(Path(file).name for file in files)  # all of one folder
    pattern = Path(files[0]).parent / (f"{{{names}}}" if len(files) > 1 else names)
    figures, _ = measured(
        lambda: session.query(
            "create table grouped engine = Memory as select subject as customer, type, "
            "toDate(time) as day, toInt64(count()) as events, sum(quantity) as quantity "
            f"from file('{pattern}', Parquet) group by all"
        )
    )
    say(**figures)
    Path(result).unlink(missing_ok=True)
    session.query(f"select * from grouped into outfile '{result}' format Parquet")


if __name__ == "__main__":
    main()
