"""Small commits for the tests of the lake, and a process that does nothing else."""

import sys
from pathlib import Path

from meterhouse.lake import Commit, Lake
from meterhouse.settings import HomeFile, Settings

OUTBOX = "select ? as message_id, 'note' as kind, 'x' as subject_id, '{}' as payload"
EVENTS = """
select 'api' as source, 'e' || n as event_id, 'call' as event_type, 'acme' as subject,
    'acme' as customer_id, timestamptz '2024-01-01 00:00:00Z' + to_days(n % days) as occurred_at,
    date '2024-01-01' + n % days as event_day, '{}' as data, n as source_row
from (select range::integer as n, $days::integer as days from range($first, $upto))
"""


def lake_of(home: Path) -> Lake:
    return Lake(Settings(home, HomeFile()))


def note(lake: Lake, message: str, *, takes_number: bool = True) -> int:
    """Commit one message to the outbox; returns the batch."""

    def write(commit: Commit) -> int:
        commit.append("outbox", OUTBOX, [message])
        return commit.batch_seq

    with lake.session() as db:
        return lake.commit(db, write, takes_number=takes_number)


def add_events(lake: Lake, first: int, upto: int, days: int = 3) -> int:
    """Commit events e<first> to e<upto - 1>, spread over days; returns the batch."""

    def write(commit: Commit) -> int:
        commit.append("usage_events", EVENTS, {"first": first, "upto": upto, "days": days})
        return commit.batch_seq

    with lake.session() as db:
        return lake.commit(db, write)


if __name__ == "__main__":
    for turn in range(int(sys.argv[3])):
        print(note(lake_of(Path(sys.argv[1])), f"{sys.argv[2]}-{turn}"), flush=True)
