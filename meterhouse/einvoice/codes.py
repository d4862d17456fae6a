"""Code lists of EN 16931: tax categories, units of measure, kinds of electronic address."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

INVOICE, CREDIT_NOTE = "380", "381"
CREDIT_TRANSFER, SEPA_CREDIT_TRANSFER = "30", "58"
# Places of a currency that the norm can write: amounts have two at most.
MOST_PLACES = 2
# UN/ECE Recommendation 20; whatever is counted otherwise is "one".
ONE = "C62"
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "second": "SEC",
        "minute": "MIN",
        "hour": "HUR",
        "day": "DAY",
        "month": "MON",
        "byte": "AD",
        "kB": "2P",
        "MB": "4L",
        "GB": "E34",
        "TB": "E35",
        "GiB": "E37",
        "kWh": "KWH",
        "kg": "KGM",
        "km": "KMT",
        "litre": "LTR",
    }
)
# Electronic address schemes of VAT numbers by the country they begin with.
VAT_ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "AT": "9914",
        "BE": "9925",
        "BG": "9926",
        "CH": "9927",
        "CY": "9928",
        "CZ": "9929",
        "DE": "9930",
        "EE": "9931",
        "EL": "9933",
        "ES": "9920",
        "FR": "9957",
        "GB": "9932",
        "HR": "9934",
        "HU": "9910",
        "IE": "9935",
        "IT": "0211",
        "LI": "9936",
        "LT": "9937",
        "LU": "9938",
        "LV": "9939",
        "MC": "9940",
        "ME": "9941",
        "MT": "9943",
        "NL": "9944",
        "PL": "9945",
        "PT": "9946",
        "RO": "9947",
        "RS": "9948",
        "SE": "9955",
        "SI": "9949",
        "SK": "9950",
        "SM": "9951",
        "TR": "9952",
        "VA": "9953",
    }
)
EMAIL = "EM"
# Codes of the reasons for which a category is not taxed.
REASON_CODES: Mapping[str, str] = MappingProxyType({"AE": "VATEX-EU-AE", "G": "VATEX-EU-G"})


def category(treatment: str, rate: Decimal | None) -> str:
    """The code of a tax category: Standard, Zero, Exempt, reverse charge (AE), export (G), Out of
    scope."""
    if treatment == "taxed":
        return "S" if rate else "Z"
    return {"exempt": "E", "reverse_charge": "AE", "export": "G", "out_of_scope": "O"}[treatment]


def unit_code(unit: str | None) -> str:
    """The code of a meter's unit, "one" for units that the list does not know."""
    return UNITS.get(unit or "", ONE)
