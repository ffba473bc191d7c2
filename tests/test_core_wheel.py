"""The wheel works alone: beside the packages that it needs, and without them it says what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

pytest.importorskip("setuptools", minversion="77")
pytest.importorskip("pip")

ROOT = Path(__file__).parent.parent
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE", "smcd_core", "models", "demo")
EXAMPLES = {f"demo/{name}.{suffix}" for name in ("beach", "rocket") for suffix in ("png", "json", "txt")}
BUNDLED = {"models/smcd-tiny.safetensors", *EXAMPLES}
PACKAGES = Path(torch.__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command, folder):
    """Nothing of this repository is on the path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*map(str, command)], cwd=folder, env=env, capture_output=True, text=True)  # noqa: S603


def build(kind, folder, out):
    """As `python -m build` and pip do it, without a network."""
    out.mkdir()
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    built = run(sys.executable, "-c", code, out, folder=folder)
    assert built.returncode == 0, built.stderr
    return out / built.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the sdist, which is built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("build")
    clone = folder / "clone"
    clone.mkdir()
    for name in SOURCES:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, clone / name, ignore=ignored) if source.is_dir() else shutil.copy(source, clone)
    with tarfile.open(build("sdist", clone, folder / "sdist")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return build("wheel", unpacked, folder / "wheel")


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """A Python with nothing but the wheel."""
    return install(wheel, tmp_path_factory.mktemp("bare"))


def install(wheel, folder):
    environment = folder / "environment"
    assert run(sys.executable, "-m", "venv", "--without-pip", environment, folder=folder).returncode == 0
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--no-index", "--no-deps", wheel]
    installed = run(*pip, folder=folder)
    assert installed.returncode == 0, installed.stderr
    return programs


def test_the_wheel_holds_the_package_and_what_is_bundled(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("smcd_core/**/*.py")}
    bundled = {f"smcd_core/bundled/{name}" for name in BUNDLED}
    assert names == package | bundled | {"smcd_core/py.typed"}


def test_without_its_packages_the_program_shows_its_help_and_names_the_extra(bare, tmp_path):
    shown = run(bare / "smcd", "--help", folder=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "") and "animate" in shown.stdout
    animate, finetune = ["animate", "x.png", "--boxes", "x.json"], ["finetune", "videos", "--out", "mine"]
    for argv, extra in ((["info"], "cli"), (animate, "cli"), (finetune, "train")):
        failed = run(bare / "smcd", *argv, folder=tmp_path)
        assert failed.returncode == 2 and f'pip install "smcd[{extra}]"' in failed.stderr, failed.stderr
        assert failed.stderr.count("\n") == 1


def test_with_them_it_makes_the_demo(bare, wheel, tmp_path):
    programs = install(wheel, tmp_path)
    where = run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path)
    packages = Path(where.stdout.strip())
    (packages / "others.pth").write_text(f"{PACKAGES}\n")  # after those of the environment itself
    demo = packages / "smcd_core" / "bundled" / "demo"
    argv = ["animate", demo / "beach.png", "--boxes", demo / "beach.json", "-o", "beach.gif", "--steps", "1"]
    made = run(programs / "smcd", *argv, "--frames", "1", "--device", "cpu", folder=tmp_path)
    assert (made.returncode, made.stdout) == (0, "beach.gif\n"), made.stderr
    assert "was trained on" not in made.stderr  # the example is known as one
