"""The example of docs/credits.md comes out as its table says."""

import re
from decimal import Decimal
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "credits.md").read_text()


def test_the_example_is_what_its_table_says():
    [code] = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)
    names: dict[str, object] = {}
    exec(code, names)
    rows = re.findall(r"(?m)^\| (\w+) \| \d+ \| 50 \|[^|]*\|[^|]*\| (\d+) \|$", PAGE)
    assert names["left"] == {name: Decimal(left) for name, left in rows}
    assert len(rows) == 3
