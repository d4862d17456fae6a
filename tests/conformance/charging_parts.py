"""Cases of the models that are priced by parts, in the words of the book."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.conformance.readings import Reading

# By model: the fields of a case (beside those that all have) and how it is read. The price that a
# reader gets has no modifiers any more: `minimum_amount` and the like are read for all models.
FIELDS: dict[str, set[str]] = {}
READERS: dict[str, Callable[[Mapping[str, Any]], Reading]] = {}
