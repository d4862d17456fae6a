"""Random meter definitions of every aggregation, as the book has them and as the oracle does."""

from datetime import date

from tests.truth.local_days import DAY

NUMBERS = ("amount", "size")
CARRIED = (
    "sum",
    "latest",
    "weighted_sum",
    "prorated_sum",
    "unique_count",
    "prorated_unique_count",
)
KINDS = (*CARRIED, "count", "min", "max", "avg", "percentile")
BUCKETED = ("count", "sum", "min", "max", "latest", "unique_count")
# Texts of the filter language, and what they mean; a comparison with a missing value is false.
FILTERS = (
    ("region = 'eu' or live = true", lambda p: p.get("region") == "eu" or p.get("live") is True),
    ("not (size > 1)", lambda p: not p.get("size", 0) > 1),
    ("region is missing or amount >= 2.5", lambda p: "region" not in p or p.get("amount", 0) > 2),
    ("user in ('a') and live != true", lambda p: (p.get("user"), p.get("live")) == ("a", False)),
    ("user starts with 'ä' or user is missing", lambda p: p.get("user", "ä").startswith("ä")),
)
ROUNDINGS = (
    {"places": 0}, {"places": 2, "mode": "ceiling"}, {"places": 1, "mode": "floor"},
    {"places": -1}, {"places": -2, "mode": "ceiling"}, {"places": -3, "mode": "floor"},
)  # fmt: skip
CONVERSIONS = ({"divide": "3"}, {"multiply": "8"}, {"multiply": "2.5", "divide": "1024"})


def meters(rng, first):
    """By id the slots of a meter: one of each aggregation; one changes its definition."""
    made = {meter_id(kind): [(date.min, meter(rng, kind))] for kind in KINDS}
    changed = rng.choice(sorted(made))
    made[changed].append((first + rng.randint(1, 45) * DAY, meter(rng, rng.choice(KINDS))))
    made["split"] = _split(rng, first)
    return made


def meter_id(kind):
    return "m-" + kind.replace("_", "-")


def _split(rng, first):
    """Three definitions whose parts add up, in one unit and rounded alike."""
    days = sorted(rng.sample(range(1, 60), 2))
    alike = {"decimals": 6, **_quantity(rng)}
    made = []
    for since in (date.min, *(first + day * DAY for day in days)):
        one = meter(rng, rng.choice(["count", "sum"]), is_split=True)
        made.append((since, {**one, **alike, "split": rng.random() < 0.8}))
    return made


def meter(rng, kind, *, is_split=False):
    """One definition; `filter` is what the oracle asks, `filter_text` how the book says it."""
    made = {
        "event_type": "t",
        "aggregation": kind,
        "unit": "unit",
        "decimals": rng.choice([3, 6, 9]),
    }
    if kind != "count":
        names = (*NUMBERS, "user") if "unique" in kind else NUMBERS
        made["property"] = rng.choice(names)
    if kind == "percentile":
        made["percentile"] = rng.choice(["0", "0.5", "0.95", "0.333333", "1"])
    made |= _filter(rng)
    if rng.random() < 0.5:
        made["dimensions"] = rng.choice([["region"], ["region", "live"], ["user", "size"]])
    return made if is_split else made | _shape(rng, kind) | _quantity(rng)


def _shape(rng, kind):
    made = {}
    if kind in CARRIED and rng.random() < 0.5:
        made["recurring"] = True
    elif kind in BUCKETED and rng.random() < 0.4:
        made["bucket"] = rng.choice(["minute", "hour", "day"])
    if "unique" in kind and "bucket" not in made and rng.random() < 0.7:
        made["operation"] = "step"
    if "recurring" not in made and rng.random() < 0.2:
        made["clock"] = "received"
    return made


def _filter(rng):
    drawn = rng.random()
    if drawn < 0.25:
        return {"filter": {"region": ["eu", "us"]}}
    if drawn < 0.35:
        return {"filter": {"live": [True], "region": ["us", "\\n"]}}
    if drawn < 0.6:
        text, keeps = rng.choice(FILTERS)
        return {"filter": keeps, "filter_text": text}
    return {}


def _quantity(rng):
    made = {}
    if rng.random() < 0.4:
        made["round"] = rng.choice(ROUNDINGS)
    if rng.random() < 0.3:
        made |= {"convert": rng.choice(CONVERSIONS), "decimals": rng.choice([3, 6, 9])}
    if rng.random() < 0.3:
        made["empty"] = rng.choice(["1", "2.5"])
    return made
