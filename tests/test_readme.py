"""The README: its code runs, its commands are CI's, its links lead somewhere."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_blocks_run_and_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        for block in blocks("python"):
            exec(block, names)  # the user's own session, block after block
    names.clear()
    said = re.findall(r"^print\(.*\)\s+# (.*)", README, re.MULTILINE)
    assert len(said) == 7
    explained = re.search(r"^```\n(ChunkedFit\(.*?)^```", README, re.M | re.S)[1]
    assert explained in printed.getvalue()
    first, features, *others = printed.getvalue().replace(explained, "").splitlines()
    assert [first, *others] == said
    assert features == "50"


def test_ci_runs_the_test_command_of_the_readme():
    main_job, tests = blocks("bash")
    assert main_job.strip() == "pip install . && python -m skmmap demo"
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m 1 -x '(.*)' README", ci)[1]
    assert re.findall(f"^{pattern}$", README, re.MULTILINE) == [tests.strip()]


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_tests_that_prove_promises_exist():
    for name, path in re.findall(r"\[`(test_\w+)`\]\((.*?)\)", README):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
