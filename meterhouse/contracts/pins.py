"""What a contract says of its plan, and which versions of the catalog its items were made of."""

from typing import Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from meterhouse.catalog.fields import Day, Id, Strict, Text


class Pin(Strict):
    """The version of one document that the items of a contract were made of."""

    kind: Literal["plan", "product", "price"] = Field(description="Kind of the document.")
    id: Id = Field(description="Its id.")
    valid_from: Day | None = Field(description="The day its version holds from; null: always.")
    on: Day | None = Field(None, description="Day that the terms name for a price; null: none.")
    sha256: Text = Field(description="SHA-256 of its content, 64 hex digits.")


class PlanUse(Strict):
    """The plan of a contract, and where the contract differs from it."""

    id: Id = Field(description="Id of the plan.")
    version: Text | None = Field(
        None,
        description="Version of the plan; absent: the recorded one, for a new contract the newest "
        "that is in force when it starts.",
    )
    overrides: dict[Id, dict[str, Any]] = Field(
        {}, description="Id of an item of the plan to the keys of it that differ here."
    )
    remove: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of items of the plan that the contract leaves out."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _or_only_its_id(
        cls, value: Any, validate: "ModelWrapValidatorHandler[PlanUse]"
    ) -> "PlanUse":
        return validate({"id": value} if isinstance(value, str) else value)
