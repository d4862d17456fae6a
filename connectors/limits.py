"""How much one file may ask of the machine."""

from dataclasses import dataclass, fields

from meterhouse.errors import UsageError

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds that hold for each file; a file past one of them is refused, never cut."""

    # A day of 50 million events is some 10 GiB of CSV; past this a file should be split.
    max_bytes_unpacked: int = 16 * 1024 * MIB
    # Gzip packs usage some 5 to 30 times; zeros 1,000 times.
    max_ratio: int = 100
    ratio_checked_above: int = 10 * MIB
    max_line_bytes: int = 8 * MIB
    max_columns: int = 2_000
    max_row_group_bytes: int = 512 * MIB
    max_json_depth: int = 64
    # A workbook is read whole, and room is made for every cell between its first and its last.
    max_workbook_bytes: int = 1024 * MIB
    max_workbook_cells: int = 20_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise UsageError(f"Limit {field.name} must be at least 1; set it or leave it out.")
