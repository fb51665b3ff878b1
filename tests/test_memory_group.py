"""Jobs in a control group with little memory are not killed, where one can be made."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CGROUP = Path(__file__).parents[1] / "benchmarks" / "cgroup.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's"),
    pytest.mark.skipif(not CGROUP.exists(), reason="the benchmarks are not here"),
]

JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
CODE = """
import sys
import joblib
from sklearn.naive_bayes import GaussianNB
from skmmap import ChunkedFit, open_rows

path, *limits = sys.argv[1:]
rows = open_rows(path)
few, y = rows[:1_000], [0, 1] * 500
for limit in limits:
    model = ChunkedFit(GaussianNB(), n_jobs=2, memory_limit=limit).fit(few, y)
    try:
        print(len(model.predict(rows)))
    except MemoryError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("group") / "X.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (500_000, 100))[::99] = 1
    return path


@pytest.fixture
def limit_memory():
    spec = importlib.util.spec_from_file_location("cgroup", CGROUP)
    cgroup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cgroup)
    try:
        with cgroup.limit_memory(150_000_000, "try"):
            pass
    except cgroup.NoLimitError as error:
        pytest.skip(f"no control group can be made: {error}")
    return cgroup.limit_memory


def test_two_jobs_in_little_memory_end_well_or_are_refused(limit_memory, path):
    limits = ["512MB", "48MB"]
    with limit_memory(150_000_000, "predict") as group:
        command = ["sh", "-c", JOIN, group, sys.executable, "-c", CODE, path, *limits]
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, timeout=600
        )
    assert done.returncode == 0, done.stderr
    refused, number = done.stdout.splitlines()
    assert refused.startswith("predict needs 80.0 MB")
    assert number == "500000"
