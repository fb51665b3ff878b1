"""Findings have the form that their page says; they are run by hand, not here."""

import os
import re
from pathlib import Path

import pytest

FINDINGS = sorted((Path(__file__).parent.parent / "findings").glob("*.sh"))


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_the_form_of_a_finding(path):
    text = path.read_text(encoding="utf-8")
    comment, _, code = text.partition("set -euo pipefail\n")
    assert os.access(path, os.X_OK)
    assert comment.startswith("#!/usr/bin/env bash\n# ")
    assert "Output seen on " in comment
    assert code.startswith("folder=$(mktemp -d); trap 'rm -rf \"$folder\"' EXIT\n")
    packages = re.findall(r"pip\" install -q (.*)", code)
    assert packages
    assert all("==" in name for line in packages for name in line.split())
    assert "skmmap" not in code
