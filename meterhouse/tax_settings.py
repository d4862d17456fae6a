"""What `meterhouse.yaml` says about one tax engine: where it is and how it is asked.

Secrets are never in the file: a field that ends in `_variable` names the environment variable
that holds one.
"""

from typing import Literal

from pydantic import Field, field_validator

from meterhouse.source_settings import Strict, address_fault


class TaxEngineSettings(Strict):
    """One engine; its key in `tax_engines` is what entities name in `tax.engine`."""

    kind: Literal["avatax"] = "avatax"
    url: str = Field(
        default="https://rest.avatax.com", description="Address of the API, without its path."
    )
    company: str = Field(description="Code of the company there.")
    account_variable: str = Field(
        default="AVATAX_ACCOUNT", description="Environment variable with the account's id."
    )
    key_variable: str = Field(
        default="AVATAX_LICENSE_KEY", description="Environment variable with the licence key."
    )
    codes: dict[str, str] = Field(
        default={}, description="Tax code by category, for products without `tax_code`."
    )
    timeout_seconds: int = Field(default=30, ge=1)
    attempts: int = Field(default=5, ge=1, le=10)
    parallel: int = Field(default=4, ge=1, le=16, description="Questions asked at a time.")

    @field_validator("url")
    @classmethod
    def url_is_an_address(cls, value: str) -> str:
        """Refuse an address that names no host or carries a secret."""
        fault = address_fault(value)
        if fault is not None:
            raise ValueError(f"a URL {fault}")
        return value.rstrip("/")
