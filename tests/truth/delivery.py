"""Ways in which the same usage may arrive."""

from collections import Counter


def batches(events, rng, count):
    """The events in so many batches, in any order and partly repeated; equal rows stay together."""
    made = [[] for _ in range(count)]
    for group in _groups(events):
        home, other = rng.randrange(count), rng.randrange(count)
        made[home] += group
        # Rows are told apart by their file alone: once more in the same one they would count.
        if rng.random() < 0.15 and (group[0].id is not None or other != home):
            made[other] += group
    for batch in made:
        rng.shuffle(batch)
    return [batch for batch in made if batch]


def _groups(events):
    """Events with an id alone; rows without one with all their equals."""
    rows = Counter(event for event in events if event.id is None)
    named = [[event] for event in events if event.id is not None]
    return named + [[event] * count for event, count in rows.items()]
