"""Marts: what people query, built after issue at a pin of their own."""

from meterhouse.run.context import Run
from meterhouse.run.dbt import build

MODELS = ("tag:mart", "test_type:singular")


def build_marts(run: Run) -> None:
    """Build accounting, receivables and reporting on the facts as they are after issue."""
    pin = run.lake.head()
    after = Run(run.warehouse, run.through, pin, pin.batch_seq, run.is_dry)
    with run.warehouse.connect(pin):
        pass  # Views now show what was issued.
    build(after, MODELS)
