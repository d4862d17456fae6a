"""The usage of the test book: a few hundred records, the same every time, edges included."""

import json
from random import Random
from typing import NamedTuple

SEED = 20251101
REGIONS = ("eu", "us", "apac")
# Few days, because the lake keeps a file for each: 90 of them made a run three times as long.
DAYS = (5, 12, 17)


class Event(NamedTuple):
    """One record of a source; `id` is None where the source names its rows by their content."""

    source: str
    id: str | None
    type: str
    subject: str
    time: str
    data: tuple[tuple[str, object], ...]

    @property
    def line(self):
        """The record as a line of NDJSON."""
        fields = {"type": self.type, "subject": self.subject, "time": self.time}
        if self.id is not None:
            fields["id"] = self.id
        return json.dumps(fields | {"data": dict(self.data)}, ensure_ascii=False)


def request(id, subject, time, tokens, source="api", **data):
    """A request with its tokens, and region and cached where given."""
    return Event(source, id, "request", subject, time, (("tokens", tokens), *data.items()))


def sample(subject, time, gb_hours, source="rows", id=None):
    """A sample of storage; gb_hours is text, so that no float comes near it."""
    return Event(source, id, "sample", subject, time, (("gb_hours", gb_hours),))


def usage():
    """All records of the book's customers from September to December 2025."""
    return [*_edges(), *_requests(), *_samples(), *_restated()]


def _edges():
    """Instants on which a month turns in some zone, or a clock is turned."""
    turns = {
        "alpha": ("2025-10-01T04:00:00Z", "2025-12-01T05:00:00Z", "2025-12-20T05:00:00Z"),
        "berlin": ("2025-10-14T22:00:00Z", "2025-11-14T23:00:00Z"),
        "sato": ("2025-09-29T15:00:00Z", "2025-10-30T15:00:00Z"),
        "strict": ("2025-11-30T23:00:00Z",),
    }
    made = []
    for subject, instants in turns.items():
        for number, at in enumerate(instants):
            extra = {"region": "eu", "cached": False}
            made.append(request(f"edge-{subject}-{number}", subject, at, 101, **extra))
            late = _microsecond_before(at)
            made.append(request(f"late-{subject}-{number}", subject, late, 10_007, **extra))
    made += [
        sample("gurung", "2025-09-30T18:15:00Z", "1.111"),
        sample("gurung", "2025-09-30T18:14:59.999999Z", "2.222"),
        sample("gurung", "2025-11-30T23:59:59+05:45", "4.444"),
    ]
    return made


def _microsecond_before(at):
    """The instant one microsecond before a whole minute, as text."""
    day, clock = at.removesuffix("Z").split("T")
    hours, minutes, _ = (int(part) for part in clock.split(":"))
    total = hours * 60 + minutes - 1
    return f"{day}T{total // 60:02d}:{total % 60:02d}:59.999999Z"


def _requests():
    rng = Random(SEED)
    subjects = ("alpha", "crm-1", "berlin", "sato", "twin", "strict")
    made = []
    for number in range(140):
        subject = subjects[number % len(subjects)]
        months = (10, 11, 12) if subject == "strict" else (9, 10, 11, 12)
        month, day = months[number % len(months)], rng.choice(DAYS)
        at = f"2025-{month:02d}-{day:02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:07Z"
        name = "berlin-old" if subject == "berlin" and month < 11 and number % 2 else subject
        extra = {"region": rng.choice(REGIONS), "cached": rng.random() < 0.3}
        made.append(request(f"r-{number}", name, at, rng.randint(1, 90_000), **extra))
    made.append(Event("api", "ping-1", "ping", "alpha", "2025-10-05T00:00:00Z", ()))
    made.append(request("no-contract-1", "berlin", "2025-09-05T10:00:00Z", 5, cached=False))
    made.append(request("no-item-1", "gurung", "2025-10-05T10:00:00Z", 6))
    return made


def _samples():
    """Rows without ids, some of them equal: each counts as often as its file holds it."""
    rng = Random(SEED + 1)
    made = []
    for number in range(40):
        subject = ("gurung", "twin")[number % 2]
        at = f"2025-{9 + number % 4:02d}-{rng.choice(DAYS[1:]):02d}T0{rng.randint(0, 9)}:30:00Z"
        one = sample(subject, at, f"{rng.randint(0, 400)}.{rng.randint(0, 999):03d}")
        made += [one] * (1 + (number % 5 == 0))
    return made


def _restated():
    rng = Random(SEED + 2)
    return [
        request(
            f"x-{n}", "alpha", f"2025-{9 + n % 4:02d}-12T12:00:00Z", rng.randint(1, 9), "restated"
        )
        for n in range(8)
    ]
