"""The README: short, its code runs, its commands are CI's, its links lead somewhere."""

import re
from pathlib import Path

import pytest
from markdown import check_blocks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def test_python_blocks_run_and_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_blocks(README) == 5


def test_it_is_read_in_three_minutes():
    assert len(README.split()) <= 700


def test_ci_runs_the_test_command_of_the_readme():
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    install, tests = (block.strip() for block in blocks)
    assert install == "pip install . && python -m skmmap demo"
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m 1 -x '(.*)' README", ci)[1]
    assert re.findall(f"^{pattern}$", README, re.MULTILINE) == [tests]


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"]
)
def test_links_lead_to_files(name):
    path = ROOT / name
    links = re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert (path.parent / link).exists(), link


def test_tests_of_the_promises_exist():
    named = re.findall(r"`(tests/test_\w+\.py)(?:::(\w+))?`", DESIGN)
    assert len(named) > 5
    for path, name in named:
        assert f"def {name or 'test_'}" in (ROOT / path).read_text(encoding="utf-8")
