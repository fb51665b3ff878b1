"""The built wheel works without the source tree, and says what it is."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest

import skmmap

ROOT = Path(__file__).parent.parent


def list_files():
    """Return what belongs to the repository: what git has, or an sdist without it."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        return set(found.stdout.decode().rstrip("\0").split("\0"))
    ignored = {"PKG-INFO", *(ROOT / ".gitignore").read_text().split()}
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if not any(fnmatch(part, i.strip("/")) for part in path.parts for i in ignored)
    }


def build(tmp_path):
    """Build the sdist, and the wheel from it, from files of the repository alone.

    A checkout may hold more: setuptools puts old modules in ``build/`` into wheels.
    """
    source, out = tmp_path / "source", tmp_path / "built"
    for name in list_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", *find_isolation()]
    subprocess.run([*build, "--outdir", out, source], check=True, capture_output=True)
    return out


def find_isolation():
    """Return the option that builds in this environment, where that is new enough.

    Otherwise an environment is made and installed for the sdist, and one for the wheel.
    """
    needed = dict(read_requirements()["test"])["setuptools"]
    installed = version("setuptools")
    is_old = int(installed.partition(".")[0]) < int(needed.partition(".")[0])
    return [] if is_old else ["--no-isolation"]


def unpack(built, tmp_path):
    """Unpack the sdist."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    return tmp_path / "unpacked" / f"skmmap-{skmmap.__version__}"


@pytest.mark.slow
def test_the_sdist_and_the_wheel(tmp_path):
    """In one test, or several processes would build them."""
    built = build(tmp_path)
    unpacked = unpack(built, tmp_path)
    check_the_sdist_holds_the_repository(unpacked)
    check_tests_run_from_the_sdist(unpacked)
    check_the_wheel_holds_the_package_alone_and_works(built, tmp_path)


def check_the_sdist_holds_the_repository(unpacked):
    paths = (path for path in unpacked.rglob("*") if path.is_file())
    names = {path.relative_to(unpacked).as_posix() for path in paths}
    made = {"PKG-INFO", *(name for name in names if ".egg-info/" in name)}
    assert names - made == list_files()


def check_tests_run_from_the_sdist(unpacked):
    tests = "findings", "packaging", "readme", "sizes"
    files = [f"tests/test_{name}.py" for name in tests]
    few = ["-k", "not sdist and not blocks"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *few],
        cwd=unpacked,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def check_the_wheel_holds_the_package_alone_and_works(built, tmp_path):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    package = {name for name in list_files() if name.startswith("skmmap/")}
    assert {name for name in names if name.startswith("skmmap/")} == package
    assert {n.partition("/")[0] for n in names} == {
        "skmmap",
        f"skmmap-{skmmap.__version__}.dist-info",
    }
    code = (
        "import numpy as np, skmmap; from sklearn.naive_bayes import GaussianNB;"
        "X = np.eye(4); model = skmmap.ChunkedFit(GaussianNB(), chunk_size=2);"
        "print(skmmap.__file__, model.fit(X, [0, 1, 0, 1]).predict(X).shape)"
    )
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "installed" in done.stdout
    assert "(4,)" in done.stdout


def test_the_changelog_has_an_unreleased_section():
    headings = re.findall(
        r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[0] == "Unreleased"


def read_requirements():
    """Return the packages that setup.cfg names with their lower bounds, by option."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    options = {"": config["options"]["install_requires"]}
    options |= config["options.extras_require"]
    requirement = re.compile(r"([\w-]+)(?:\[\w+\])?>=(\d[\w.]*)")
    return {
        option: [requirement.fullmatch(line).groups() for line in text.split()]
        for option, text in options.items()
    }


def test_nothing_is_needed_but_scikit_learn_and_what_it_needs():
    assert [name for name, _ in read_requirements()[""]] == [
        "numpy",
        "scipy",
        "scikit-learn",
        "joblib",
        "threadpoolctl",
    ]


def test_each_package_has_one_lower_bound_which_ci_installs():
    requirements = read_requirements()
    bounds = {pair for option in requirements.values() for pair in option}
    assert len(bounds) == len(dict(bounds))
    script = [sys.executable, ROOT / ".ci" / "lowest.py"]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    installed = re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", done.stdout, re.MULTILINE)
    assert installed == requirements[""] + requirements["test"]
    assert {"numpy", "h5py", "zarr", "pyarrow"} <= dict(installed).keys()


def test_the_core_of_the_tests_is_there():
    script = (ROOT / ".ci" / "lowest").read_text(encoding="utf-8")
    groups = re.findall(r"tests/test_\{([\w,]+)\}\.py", script)
    assert len(groups) == 2
    for name in ",".join(groups).split(","):
        assert (ROOT / "tests" / f"test_{name}.py").exists(), name


def test_ruff_is_the_same_in_ci_and_before_commits():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert len(set(re.findall(r"ruff==[0-9.]+", hooks))) == 1
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "grep -m 1 -o 'ruff==[0-9.]*' .pre-commit-config.yaml" in ci


def test_no_machine_paths_in_the_repository():
    for name in list_files():
        text = (ROOT / name).read_text(encoding="utf-8", errors="ignore")
        assert not re.search(r"/(root|work|home)/\w", text), name
