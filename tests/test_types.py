"""Type checkers see what public functions take and return."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "typed_example.py"
# scikit-learn has no types, so what comes from it is Any. Strict is the example alone:
# skmmap is checked by what it gives to users. No type of theirs is of matplotlib, which
# imports IPython: to read both takes as long as all the rest.
CONFIG = """
[mypy]
strict = true
[mypy-sklearn.*]
ignore_missing_imports = true
[mypy-skmmap.*]
follow_imports = silent
[mypy-IPython.*,matplotlib.*]
follow_imports = skip
"""


def run_mypy(tmp_path, *arguments):
    """Run mypy as a user who has installed skmmap, and return what it prints."""
    config = tmp_path / "mypy.ini"
    config.write_text(CONFIG)
    options = ["--config-file", config, "--cache-dir", tmp_path / "cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *arguments],
        cwd=EXAMPLE.parent.parent,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_users_program_passes_the_strict_checks(tmp_path):
    assert run_mypy(tmp_path, EXAMPLE) == "Success: no issues found in 1 source file\n"
