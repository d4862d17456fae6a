"""Did you mean: the nearest of the names that are known, in the words every refusal uses."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], limit: int = 1) -> list[str]:
    """The known names most like `name`, best first; case does not count."""
    names = {one.lower(): one for one in sorted(known, reverse=True)}
    found = get_close_matches(name.lower(), names, n=limit, cutoff=0.5)
    return [names[one] for one in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no known name is near."""
    near = nearest(name, known)
    return f"; did you mean {near[0]!r}?" if near else ""


def known_names(known: Iterable[str], limit: int = 12) -> str:
    """The known names as a list for a sentence; long lists are cut with a word on the rest."""
    names = sorted(known)
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) + rest) if names else "none"
