"""The built wheel works without the source tree, and says what it is."""

import configparser
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import skmmap

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_the_package_alone_and_works(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    modules = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "skmmap").rglob("*.py")
    }
    assert {name for name in names if name.startswith("skmmap/")} == modules
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


def test_importing_is_light():
    code = (
        "import sys, skmmap;"
        # pandas and rich come with scikit-learn, where they are installed
        "print([m for m in ('polars', 'matplotlib', 'pytest', 'dask', 'h5py', 'zarr') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_the_changelog_has_an_unreleased_section():
    headings = re.findall(
        r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[0] == "Unreleased"


def test_nothing_is_needed_but_scikit_learn_and_what_it_needs():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = config["options"]["install_requires"].split()
    assert [re.split("[><=]", line)[0] for line in needed] == [
        "numpy",
        "scipy",
        "scikit-learn",
        "joblib",
        "threadpoolctl",
    ]


def test_no_machine_paths_in_the_repository():
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in files:
        text = (ROOT / name).read_text(encoding="utf-8", errors="ignore")
        assert not re.search(r"/(root|work|home)/\w", text), name
