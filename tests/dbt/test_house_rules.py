"""Every public model keeps the promises that its readers rely on."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dbt")]
PUBLIC = ("usage", "accounting", "receivables", "reporting")
MARTS = PUBLIC[1:]

# An estimate without a list price is not known, which is not 0.
MAY_BE_UNKNOWN = {"estimated_value"}


@pytest.fixture(scope="module")
def public(manifest):
    models = [node for node in manifest.nodes.values() if node.resource_type == "model"]
    found = [model for model in models if model.fqn[1] in PUBLIC]
    assert {model.fqn[1] for model in found} == set(PUBLIC)
    return found


def _generic_tests(manifest, name):
    """Tests of one kind; singular tests have no metadata."""
    tests = [node for node in manifest.nodes.values() if node.resource_type == "test"]
    return [
        test
        for test in tests
        if getattr(test, "test_metadata", None) is not None and test.test_metadata.name == name
    ]


def test_every_public_model_has_an_enforced_contract(public):
    assert [model.name for model in public if not model.config.contract.enforced] == []


def test_every_public_model_says_what_one_row_is(public):
    def says(text):
        return "one row per" in " ".join(text.lower().split())

    assert [model.name for model in public if not says(model.description)] == []


def test_every_public_model_tests_its_key(public, manifest):
    tested = {node.attached_node for node in _generic_tests(manifest, "one_row_per")}
    assert [model.name for model in public if model.unique_id not in tested] == []


def test_every_column_has_a_description_and_a_type(public):
    assert [
        f"{model.name}.{column.name}"
        for model in public
        for column in model.columns.values()
        if not column.description or not column.data_type
    ] == []


def test_every_amount_and_quantity_is_decimal_and_never_null(public):
    """The contract refuses a null when the table is made, which is before any test could run."""
    numbers = [
        (f"{model.name}.{column.name}", {str(one.type) for one in column.constraints})
        for model in public
        for column in model.columns.values()
        if "decimal" in column.data_type and column.name not in MAY_BE_UNKNOWN
    ]
    assert numbers
    assert [name for name, constraints in numbers if not constraints] == []
    assert [
        f"{model.name}.{column.name}"
        for model in public
        for column in model.columns.values()
        if column.data_type.lower() in ("double", "float", "real")
    ] == []


def test_every_model_with_a_rule_has_a_unit_test(public, manifest):
    covered = {test.model for test in manifest.unit_tests.values()}
    assert [model.name for model in public if model.name not in covered] == []


def test_every_mart_is_a_table_with_the_tag_mart(public):
    marts = [model for model in public if model.fqn[1] in MARTS]
    kinds = {(model.config.materialized, *model.tags) for model in marts}
    assert kinds == {("table", "mart"), ("incremental", "mart")}


def test_no_model_reads_the_clock_or_a_float(manifest):
    forbidden = ("now()", "current_date", "current_timestamp", "timezone(", "double", "float")
    assert [
        (node.name, word)
        for node in manifest.nodes.values()
        for word in forbidden
        if node.resource_type == "model" and word in node.raw_code.lower()
    ] == []
