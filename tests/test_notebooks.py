"""Every notebook runs top to bottom, and what is stored is what a run gives.

After a notebook was edited, ``python tests/test_notebooks.py`` stores its outputs.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import matplotlib.font_manager  # noqa: F401, builds its cache, or a kernel would say so
import nbformat
import pytest
from helpers import EXHAUSTIVE
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONG = "02", "03", "05"  # up to half a minute each where tests run beside them
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MOST_STORED, MOST_WRITTEN = 300_000, 50_000_000
HANGS = 1_800  # seconds for one cell; no promise of speed, only an end
MACHINE = re.compile(
    r"/(home|root|tmp|Users|usr|opt|var|work|mnt)/|\b[A-Z]:\\|\b0x[0-9a-f]{6,}"
)

# The event loop of Windows lacks what zmq asks for; zmq helps itself, and says so.
zmq_on_windows = pytest.mark.filterwarnings(
    "ignore:Proactor event loop does not implement:RuntimeWarning"
)
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


class OwnKernel(AsyncKernelManager):
    """A kernel of this very interpreter, whatever is registered as python3."""

    @property
    def kernel_spec(self):
        return KernelSpec(**get_kernel_dict())


def run(notebook, folder):
    """Run all cells in a fresh kernel, and return the most bytes it had in files.

    ``folder`` is where the kernel starts and makes its temporary files; IPython's own
    settings and history are kept out.
    """
    places = {name: folder / name for name in ("start", "temporary", "ipython")}
    for place in places.values():
        place.mkdir()
    written = []
    client = NotebookClient(
        notebook,
        kernel_manager_class=OwnKernel,
        timeout=HANGS,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(places["start"])}},
        on_cell_executed=lambda **_: written.append(count_bytes(folder)),
    )
    client.execute(env=make_environment(places))
    return max(written)


def make_environment(places):
    """Return the kernel's environment: this one, but for where files and plots go."""
    return {
        **os.environ,
        "TMPDIR": str(places["temporary"]),
        "IPYTHONDIR": str(places["ipython"]),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def list_left(folder):
    """Return the files and folders that a notebook run in ``folder`` has made."""
    return [
        path
        for place in ("start", "temporary")
        for path in sorted((folder / place).rglob("*"))
    ]


def count_bytes(folder):
    """Return the size of the files that a notebook run in ``folder`` has made."""
    return sum(path.stat().st_size for path in list_left(folder) if path.is_file())


def find_outputs(notebook):
    """Return all outputs, each with the number of its cell."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [(i, output) for i, cell in enumerate(code, 1) for output in cell.outputs]


def get_texts(output):
    """Return what a reader reads of an output, pictures left out."""
    return [
        output.get("text", ""),
        *(
            text
            for kind, text in sorted(output.get("data", {}).items())
            if "image" not in kind
        ),
    ]


def summarize(notebook):
    """Return each output's cell, kind and words: numbers differ between machines."""
    return [
        (
            number,
            output.output_type,
            sorted(output.get("data", {})),
            re.sub(r"[\d.,]*\d|\s+", " ", " ".join(get_texts(output))).split(),
        )
        for number, output in find_outputs(notebook)
    ]


def says_the_same_here(stored):
    """Return whether this system limits or counts memory, if the notebook asks it to.

    Only Linux enforces the limit, and says how much memory is anonymous; elsewhere the
    notebook says that it is not so.
    """
    asked = re.compile("RLIMIT_DATA|RssAnon")
    asks = any(asked.search(cell.source) for cell in stored.cells)
    return sys.platform == "linux" or not asks


def drop_words(summary):
    """Return each output's cell and kind, which are the same on every system."""
    return [output[:-1] for output in summary]


def check_reads_well(notebook):
    """Assert that no output is an error, a warning or something of this machine."""
    for number, output in find_outputs(notebook):
        text = "\n".join(get_texts(output))
        assert output.output_type != "error", f"cell {number} failed"
        assert output.get("name") != "stderr", f"cell {number} said: {text}"
        assert "Warning" not in text, f"cell {number} warned: {text}"
        assert not MACHINE.search(text), f"cell {number} shows a path: {text}"


def test_numbered_in_reading_order():
    numbers = [path.name[:3] for path in NOTEBOOKS]
    assert numbers == [f"{i:02}_" for i in range(1, len(NOTEBOOKS) + 1)]
    assert numbers


@pytest.mark.slow
@zmq_on_windows
def test_kernel_is_this_interpreter_and_a_false_claim_fails(tmp_path):
    print_which = new_code_cell("import sys; print(sys.executable)")
    write = new_code_cell("open('left', 'w').write('four') and None")
    notebook = new_notebook(cells=[print_which, write, new_code_cell("assert 0 > 1")])
    with pytest.raises(CellExecutionError, match="assert 0 > 1"):
        run(notebook, tmp_path)
    assert notebook.cells[0].outputs[0].text == f"{sys.executable}\n"
    assert count_bytes(tmp_path) == 4


@pytest.mark.slow
@zmq_on_windows
@by_name
def test_runs_and_gives_what_is_stored(path, tmp_path):
    if path.name[:2] in LONG and not EXHAUSTIVE:
        pytest.skip("takes long; SKMMAP_TESTS=full")
    stored, fresh = (nbformat.read(path, as_version=4) for _ in range(2))
    assert run(fresh, tmp_path) < MOST_WRITTEN
    assert list_left(tmp_path) == []
    check_reads_well(fresh)
    assert str(tmp_path) not in nbformat.writes(fresh)
    given, expected = summarize(fresh), summarize(stored)
    if not says_the_same_here(stored):
        given, expected = drop_words(given), drop_words(expected)
    assert given == expected


@by_name
def test_stored_for_reading(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < MOST_STORED
    assert notebook.metadata == METADATA
    assert not any(cell.metadata for cell in notebook.cells)
    check_reads_well(notebook)
    assert not MACHINE.search("\n".join(cell.source for cell in notebook.cells))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        defines = "def " in cell.source  # what it prints, others will
        assert cell.outputs or defines or "print(" not in cell.source


@by_name
def test_asks_one_question_and_answers_it(path):
    cells = nbformat.read(path, as_version=4).cells
    title, answer = cells[0].source.splitlines()[0], cells[-1].source
    assert re.fullmatch(r"# [^?]+\?", title)
    assert cells[-1].cell_type == "markdown"
    assert answer.startswith("## The answer\n")
    assert any("assert " in cell.source for cell in cells if cell.cell_type == "code")


def store(path):
    """Run a notebook, and write it with its outputs and nothing of this machine."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        run(notebook, Path(folder))
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {}
    for _, output in find_outputs(notebook):
        if "metadata" in output:
            output.metadata = {}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for path in NOTEBOOKS:
        store(path)
