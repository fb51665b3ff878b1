"""The pages of the site: their code runs, and prints what they say."""

import re
import shutil
from pathlib import Path

import pytest
from markdown import check_blocks, read_blocks

import skmmap

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
}
WITH_CODE = [name for name, text in PAGES.items() if read_blocks(text)]
FIRST = "getting_started.md"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with the files that the first page makes."""
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(read_blocks(PAGES[FIRST])[0][0], {})
    return folder


@pytest.mark.parametrize("name", WITH_CODE)
def test_the_code_of_a_page_runs_and_prints_what_it_says(
    name, files, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    if name != FIRST:
        shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    assert check_blocks(PAGES[name])


def test_code_that_is_not_run_needs_what_the_tests_do_not_install():
    shown = "\n".join(
        block
        for text in PAGES.values()
        for block in re.findall(
            r"^```\{code-block\} python\n(.*?)^```", text, re.M | re.S
        )
    )
    blocks = [block for block in shown.split("\n\n") if block.strip()]
    assert all(
        re.search("torch|ray|NeuralNet|skl2onnx|onnx", block) for block in blocks
    ), blocks


def test_the_tests_that_pages_name_exist():
    named = {
        found
        for text in PAGES.values()
        for found in re.findall(r"tests/(test_\w+\.py)(?:::(\w+))?", text)
    }
    missing = []
    for file, name in named:
        path = TESTS / file
        text = path.read_text(encoding="utf-8") if path.exists() else None
        if text is None or (name and f"\ndef {name}(" not in text):
            missing.append(f"{file}::{name}")
    assert len(named) > 20
    assert sorted(missing) == []


def test_everything_public_is_in_the_reference():
    listed = re.findall(r"^   (\w+)$", PAGES["reference/api.md"], re.MULTILINE)
    assert sorted(listed) == sorted(set(skmmap.__all__) - {"__version__"})
