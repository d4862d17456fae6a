"""What is built is what runs: the wheel, installed away from the checkout.

The wheel is installed without its dependencies into a fresh environment, which borrows the
third-party packages of the running one through a .pth line. A .pth line is not read for further
.pth files, so our editable install stays invisible there; the tests check it. That the
dependencies can be downloaded is proved by `make setup`, not here.
"""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("assets", "connectors", "meterhouse", "pipelines")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


def when(path):
    """Skip while a part of the product is not written yet."""
    return pytest.mark.skipif(not (ROOT / path).exists(), reason=f"{path} is not written yet")


def run(*command, cwd, env=None):
    """The finished process; its output goes into the failure when it did not end well."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "METERHOUSE", "DBT_"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | (env or {}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("meterhouse-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin folder of an environment in which the wheel is installed."""
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    (site,) = home.glob("lib/python3*/site-packages")
    (site / "third_parties.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python")
    flags = ("--disable-pip-version-check", "--no-index", "--no-deps", "--force-reinstall")
    run(*pip, "install", *flags, wheel, cwd=home)
    return home / "bin"


def test_the_wheel_holds_the_packages_and_the_dbt_project_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    tracked = {path for path in (ROOT / "dbt_project").rglob("*") if path.is_file()}
    built = ("target", "logs", ".user.yml", "__pycache__")
    wanted = {
        f"meterhouse/_dbt_project/{path.relative_to(ROOT / 'dbt_project').as_posix()}"
        for path in tracked
        if path.relative_to(ROOT / "dbt_project").parts[0] not in built
    }
    assert {name for name in names if name.startswith("meterhouse/_dbt_project/")} == wanted


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    wanted = {p.relative_to(ROOT).as_posix() for p in files if "__pycache__" not in p.parts}
    assert wanted - names == set()


def test_all_four_packages_come_from_the_wheel(installed):
    code = f"import {', '.join(PACKAGES)}; [print(p.__file__) for p in ({', '.join(PACKAGES)})]"
    files = run(installed / "python", "-c", code, cwd="/").stdout.split()
    assert len(files) == len(PACKAGES)
    assert all(Path(file).is_relative_to(installed.parent) for file in files), files


def test_a_folder_named_assets_where_the_user_stands_does_no_harm(installed, tmp_path):
    (tmp_path / "assets").mkdir()
    found = run(installed / "python", "-c", "import assets; print(assets.__file__)", cwd=tmp_path)
    assert Path(found.stdout.strip()).is_relative_to(installed.parent)


@when("dbt_project/dbt_project.yml")
def test_the_installation_finds_its_dbt_project_and_no_clash(installed):
    code = "from meterhouse.installation import *; check(); print(dbt_project_dir())"
    folder = Path(run(installed / "python", "-c", code, cwd="/").stdout.strip())
    assert folder.is_relative_to(installed.parent)
    assert folder.name == "_dbt_project"


@when("meterhouse/cli/main.py")
@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_the_command_line_starts(installed, flag):
    assert "meterhouse" in run(installed / "meterhouse", flag, cwd="/").stdout.lower()


@when("pipelines/definitions.py")
def test_dagster_takes_the_installed_definitions(installed, tmp_path):
    env = {
        "METERHOUSE_HOME": str(tmp_path / "home"),
        "DAGSTER_HOME": "",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    command = ("-m", "dagster", "definitions", "validate", "-m", "pipelines.definitions")
    done = run(installed / "python", *command, cwd=tmp_path, env=env)
    assert "Validation successful" in done.stdout + done.stderr


@when("dbt_project/dbt_project.yml")
def test_dbt_parses_the_installed_project(installed, tmp_path):
    code = "from meterhouse.installation import dbt_project_dir as d; print(d())"
    project = run(installed / "python", "-c", code, cwd="/").stdout.strip()
    places = {"DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "logs")}
    home = {"METERHOUSE_HOME": str(tmp_path / "home"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    main = "from dbt.cli.main import cli; cli()"
    folders = ("--project-dir", project, "--profiles-dir", project)
    run(installed / "python", "-c", main, "parse", *folders, cwd=tmp_path, env=places | home)
    assert (tmp_path / "target/manifest.json").exists()
    assert not (Path(project) / "target").exists()
