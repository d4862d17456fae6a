"""What a person is told when the installation is not sound."""

import pytest

from meterhouse.errors import UsageError
from meterhouse.installation import PACKAGE, check, dbt_project_dir


def test_our_own_packages_are_no_clash():
    owners = {name: ["meterhouse", "meterhouse"] for name in ("assets", "connectors", "pipelines")}
    assert check(owners) is None


def test_this_environment_has_no_clash():
    assert check() is None


def test_every_clash_is_named_with_its_owner():
    owners = {"assets": ["meterhouse", "shopkit"], "pipelines": ["etl"], "pytest": ["pytest"]}
    with pytest.raises(UsageError) as caught:
        check(owners)
    sentence = str(caught.value)
    assert "'assets' (also shipped by shopkit); 'pipelines' (also shipped by etl)" in sentence
    assert "environment of its own" in sentence


def test_the_dbt_project_asked_for_is_taken(tmp_path):
    (tmp_path / "dbt_project.yml").write_text("name: other\n")
    assert dbt_project_dir(str(tmp_path)) == tmp_path.resolve()


def test_a_folder_without_a_dbt_project_is_refused_with_its_name(tmp_path):
    with pytest.raises(UsageError, match="METERHOUSE_DBT_PROJECT") as caught:
        dbt_project_dir(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_a_checkout_uses_its_own_dbt_project():
    checkout = PACKAGE.parent / "dbt_project"
    if not (checkout / "dbt_project.yml").exists():
        pytest.skip("the dbt project is not written yet")
    assert dbt_project_dir() == checkout
