"""What we hand out: the wheel and the sdist hold all that is needed, and the wheel alone runs the whole road."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def files_below(folder: str) -> set[str]:
    """Our files below a folder of the project, as paths relative to the project."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (file,) = built.glob("*.whl")
    return file


def test_the_wheel_holds_the_package_and_its_templates(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = files_below("digest") | {
        name.replace("templates/", "digest/_templates/", 1) for name in files_below("templates")
    }
    assert expected - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"digest"}


def test_the_sdist_holds_the_tests_the_templates_and_the_documents(built):
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = files_below("digest") | files_below("templates") | files_below("tests") | files_below("docs")
    assert (wanted | {"README.md", "LICENSE", "config.example.toml", "pyproject.toml"}) - names == set()


def test_the_wheel_alone_runs_the_demo_in_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    # An unpacked wheel that stands first on the path is an installed one; what it depends on comes from here.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    environ |= {"PYTHONPATH": str(site), "COLUMNS": "500", "HOME": str(empty)}
    script = f"import digest.cli; assert digest.__file__.startswith({str(site)!r}); digest.cli.main()"
    run = subprocess.run(
        [sys.executable, "-c", script, "demo"], cwd=empty, env=environ, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(set(re.findall(r"\S+\.(?:eml|html)", run.stdout))) >= 2, run.stdout


def test_the_wheel_has_the_command(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert archive.read(name).decode().split() == ["[console_scripts]", "digest", "=", "digest.cli:main"]


def test_pip_and_uv_install_the_same_tools():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["dev"] == project["dependency-groups"]["dev"]


@pytest.mark.parametrize("unit", ["digest", "digest-web"])
def test_a_unit_is_hardened_watched_and_tells_when_it_is_ready(unit):
    lines = (ROOT / f"packaging/{unit}.service").read_text("utf-8").splitlines()
    settings = {line.partition("=")[0]: line.partition("=")[2] for line in lines if "=" in line and line[:1] != "#"}
    assert settings["Type"] == "notify" and settings["WatchdogSec"] and settings["User"] == "digest"
    hardened = ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "ProtectKernelModules", "RemoveIPC")
    assert all(settings[name] == "yes" for name in hardened)
    assert (settings["ProtectSystem"], settings["CapabilityBoundingSet"]) == ("strict", "")


def test_what_the_container_files_name_exists():
    folder = ROOT / "packaging/container"
    recipe, compose = (folder / "Containerfile").read_text("utf-8"), (folder / "compose.yaml").read_text("utf-8")
    copied = [word for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", recipe) for word in line.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    context = re.search(r"context: (\S+)", compose)[1]
    assert (folder / context).resolve() == ROOT
    assert (ROOT / re.search(r"dockerfile: (\S+)", compose)[1]).is_file()
    extras = re.search(r"'\.\[([\w,]+)\]'", recipe)[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras) <= set(project["optional-dependencies"])
    reference = (ROOT / "docs/configuration.md").read_text("utf-8")
    for section, key in re.findall(r"DIGEST_([A-Z]+)__([A-Z]+)=", recipe):
        body = re.search(rf"(?ms)^## \[{section.lower()}\]\n(.*?)(?=^## |\Z)", reference)[1]
        assert f"`{key.lower()}`" in body
