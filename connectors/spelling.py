"""The one text of each typed value: exact, plain, the same on every machine."""

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types


def why_not(kind: pa.DataType) -> str | None:
    """Why a type has no text, as the end of a sentence about its column; None when it has."""
    kind = _plain(kind)
    if types.is_nested(kind):
        return f"is nested ({kind}); write it as JSON text or as flat columns"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return f"holds bytes ({kind}); write it as text"
    if types.is_duration(kind) or types.is_interval(kind):
        return f"is a length of time ({kind}); write it as a number of a unit"
    if types.is_decimal(kind) and kind.scale < 0:
        return f"is a decimal with negative scale ({kind}); write it with scale 0"
    return None


def exact(column: pa.Array) -> pa.Array | None:
    """A column whose type needs no text to stay exact (whole numbers, decimals, booleans, instants
    of microseconds, in UTC where zoned); None for all others."""
    kind = column.type
    if types.is_integer(kind) or types.is_boolean(kind):
        return column
    if types.is_decimal128(kind) and kind.scale >= 0:
        return column
    if types.is_timestamp(kind) and kind.unit != "ns":
        return column.cast(pa.timestamp("us", None if kind.tz is None else "UTC"))
    return None


def spell(column: pa.Array) -> pa.Array:
    """A column as nullable strings; see the README for the spelling of each type."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type):
        return _instants(column)
    if types.is_decimal(column.type):
        return _decimals(column)
    return column.cast(pa.string())


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if types.is_dictionary(kind) else kind


def _instants(column: pa.Array) -> pa.Array:
    """`YYYY-MM-DD HH:MM:SS.ffffff` (nine digits from nanoseconds), in UTC and marked when zoned."""
    unit = "ns" if column.type.unit == "ns" else "us"
    if column.type.tz is None:
        return column.cast(pa.timestamp(unit)).cast(pa.string())
    text = column.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit)).cast(pa.string())
    return pc.binary_join_element_wise(text, "+00:00", "")


def _decimals(column: pa.Array) -> pa.Array:
    """Digits with all places and never an exponent, which Arrow's own cast gives (1E-8)."""
    scale = column.type.scale
    if column.type.byte_width < 16:
        column = column.cast(pa.decimal128(38, scale))
    whole_type = pa.decimal128(38, 0) if column.type.byte_width == 16 else pa.decimal256(76, 0)
    unscaled = pa.Array.from_buffers(
        whole_type, len(column), column.buffers(), offset=column.offset
    ).cast(pa.string())
    if scale == 0:
        return unscaled
    sign = pc.if_else(pc.starts_with(unscaled, "-"), "-", "")
    digits = pc.utf8_lpad(pc.utf8_ltrim(unscaled, "-"), scale + 1, "0")
    whole = pc.utf8_slice_codeunits(digits, 0, -scale)
    places = pc.utf8_slice_codeunits(digits, -scale)
    return pc.binary_join_element_wise(pc.binary_join_element_wise(sign, whole, ""), places, ".")
