"""The house: a module imports only from rows above its own."""

import ast
from pathlib import Path

import skmmap

HOUSE = [
    "_version",
    "_messages",
    "_allocate",
    "_regular",
    "_origin",
    "_paths",
    "_unknown",
    "_hidden",
    "_unfinished",
    "_behind",
    "_identity",
    "_merge",
    "_chunk_size",
    "_chunk_table",
    "_schedule",
    "_selection",
    "_csr_check",
    "_object_sizes",
    "_stores",
    "_npy_header",
    "_maps",
    "_lazy",
    "_csr",
    "_external",
    "_filters",
    "_hdf_links",
    "_groups",
    "_conventions",
    "_hdf_files",
    "_zarr_files",
    "_grids",
    "_sparse_groups",
    "_columns",
    "_list_columns",
    "_arrow_files",
    "_arrow",
    "_parquet",
    "_dask",
    "_refused",
    "_containers",
    "_source",
    "_sizes",
    "_reads",
    "_rows",
    "_lists",
    "_open",
    "_targets",
    "_read_path",
    "_readahead",
    "_reader",
    "_names",
    "_handover",
    "_views",
    "_progress",
    "_batches",
    "_npy",
    "_samples",
    "_csv",
    "_convert",
    "_nets",
    "_own_fit",
    "_delegate",
    "_attributes",
    "_statistics",
    "_sgd_state",
    "_corrections",
    "_weightless",
    "_losses",
    "_stopping",
    "_interrupt",
    "_training",
    "_output",
    "_output_check",
    "_output_file",
    "_one_core",
    "_parallel",
    "_inference",
    "_scoring",
    "_checks",
    "_first_centers",
    "_holdout",
    "_seeds",
    "_start",
    "_plan",
    "_merge_fit",
    "_explain",
    "_methods",
    "_other_methods",
    "_chunked_fit",
    "__init__",
    "_digits",
    "_demo",
    "_demo_report",
    "_info",
    "__main__",
]
PACKAGE = Path(skmmap.__file__).parent


def imported(path):
    """Return the modules of skmmap that the file at ``path`` imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            package, _, module = node.module.partition(".")
            names |= {module or "__init__"} if package == "skmmap" else set()
        elif isinstance(node, ast.Import):
            names |= {
                alias.name.partition(".")[2] or "__init__"
                for alias in node.names
                if alias.name.partition(".")[0] == "skmmap"
            }
    return names


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules == set(HOUSE)


def test_modules_import_from_above_only():
    for row, module in enumerate(HOUSE):
        below = imported(PACKAGE / f"{module}.py") - set(HOUSE[:row])
        assert not below, f"{module} imports {below}, which are not above it"


def test_the_documented_house_is_this_one():
    design = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
    rows = [
        line.split("`")[1] for line in design.splitlines() if line.startswith("| `_")
    ]
    assert rows == [module for module in HOUSE if module != "__init__"]
