"""Where a rebuilt document first differs from the stored one."""

from typing import Any, NamedTuple

# In a difference: the side has nothing at this path.
ABSENT = "(absent)"


class Difference(NamedTuple):
    """A JSON path such as `$.lines[0].quantity` and the value each side has there."""

    path: str
    stored: Any
    rebuilt: Any


def first_difference(stored: Any, rebuilt: Any, path: str = "$") -> Difference | None:
    """The first place, in the order of sorted keys, where two parsed documents differ."""
    if isinstance(stored, dict) and isinstance(rebuilt, dict):
        names = sorted(stored.keys() | rebuilt.keys())
        places = [
            (f"{path}.{name}", stored.get(name, ABSENT), rebuilt.get(name, ABSENT))
            for name in names
        ]
    elif isinstance(stored, list) and isinstance(rebuilt, list):
        places = [
            (f"{path}[{index}]", _at(stored, index), _at(rebuilt, index))
            for index in range(max(len(stored), len(rebuilt)))
        ]
    else:
        # `1 == True` in Python, but not in JSON.
        is_same = type(stored) is type(rebuilt) and stored == rebuilt
        return None if is_same else Difference(path, stored, rebuilt)
    found = (first_difference(left, right, place) for place, left, right in places)
    return next((difference for difference in found if difference is not None), None)


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else ABSENT
