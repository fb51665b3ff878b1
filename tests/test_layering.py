"""The house: a folder is a role, and imports only from the folders before it."""

import ast
from functools import cache
from pathlib import Path

import pytest

import skmmap

# The folders in order, each with its modules in order: a module imports from those
# before it in its folder, and from the folders before its own what these give.
HOUSE = {
    "top": ["_version", "_messages", "_types"],
    "disk": [
        "allocation",
        "regular",
        "paths",
        "hidden",
        "unfinished",
        "referents",
        "identity",
        "mapped_file",
        "npy_header",
        "scratch",
        "generations",
    ],
    "remote": [
        "urls",
        "requests",
        "together",
        "disk_cache",
        "remote_file",
        "reader",
        "remote_path",
    ],
    "order": [
        "selection",
        "positions",
        "units",
        "indexing",
        "file_order",
        "atoms",
        "memory",
        "chunk_size",
        "chunk_table",
        "schedule",
        "shared_order",
        "given_order",
        "class_order",
        "holdout",
    ],
    "wrap": [
        "origin",
        "keywords",
        "meta_estimators",
        "delegation",
        "feature_names",
        "input_layout",
        "views",
        "alike",
    ],
    "boosters": ["libraries", "pieces", "xgboost_rows", "lightgbm_rows"],
    "rows": [
        "keys",
        "csr_check",
        "coded_frames",
        "object_sizes",
        "store",
        "array_stores",
        "frames",
        "part_stores",
        "source",
        "mapped",
        "loaded",
        "partly_loaded",
        "shards",
        "sizes",
        "reads",
        "rows",
    ],
    "formats.shared": [
        "contract",
        "options",
        "array_options",
        "keys",
        "csv_sample",
        "unknown_files",
        "page_cache",
        "strides",
        "map_store",
        "joined_store",
        "csr_store",
        "converted_store",
        "slices",
        "closable",
        "container_store",
    ],
    "formats.numpy": ["npy", "raw", "arrays"],
    "formats.groups": [
        "hdf_links",
        "hdf_files",
        "zarr_files",
        "filters",
        "conventions",
        "texts",
        "matlab",
        "ahead_store",
        "chunk_store",
        "contents",
        "encoded_columns",
        "csr_group",
    ],
    "formats.arrow": [
        "columns",
        "list_columns",
        "native_files",
        "orc_file",
        "arrow_files",
        "partitions",
        "stored_keys",
        "schemas",
        "conditions",
        "filters",
        "once",
        "spool",
        "group_stream",
        "arrow_store",
        "frame_types",
        "frame_store",
    ],
    "formats.files": [
        "csr_folder",
        "hdf5",
        "zarr",
        "parquet",
        "lance",
        "tiledb",
        "safetensors",
        "nifti",
        "plink",
        "fits_tables",
        "fits",
    ],
    "formats.objects": [
        "unknown_store",
        "array_likes",
        "frames",
        "matrices",
        "sequences",
        "sliceable",
        "arrow_tables",
        "streams",
        "batches",
        "dask",
        "xarray",
        "refused",
    ],
    "formats.remote": ["array_store", "finding", "tables", "zarr_array", "opening"],
    "formats": ["adapters", "lists", "new_file", "open"],
    "run": [
        "threads",
        "jobs",
        "packing",
        "birch_tree",
        "processes",
        "parallel",
        "bars",
        "progress",
        "callbacks",
        "closures",
        "state_pickles",
        "sharing",
        "keeper",
        "feeds",
        "rooms",
        "tasks",
        "hub",
        "side_by_side",
    ],
    "read": [
        "values",
        "tally",
        "labels",
        "targets",
        "class_weight",
        "free_memory",
        "read_path",
        "readahead",
        "chunk",
        "finite",
        "fill",
        "buffers",
        "table",
        "row_cache",
        "memory_check",
        "opening",
        "windows",
    ],
    "write": [
        "batches",
        "fingerprints",
        "kept_rows",
        "npy",
        "saving",
        "samples",
        "csv",
        "csv_table",
        "json_table",
        "tables",
        "row_batches",
        "conversion",
    ],
    "apply": [
        "result_check",
        "output",
        "output_check",
        "output_file",
        "output_folder",
        "inference",
        "in_place",
        "open",
        "scoring",
    ],
    "checkpoints": [
        "checkpoint",
        "generators",
        "digests",
        "key",
        "stops",
        "kept_run",
        "journal",
        "kept_fits",
        "task_journal",
        "search_journal",
        "describing",
        "keeping",
    ],
    "transformers": [
        "chunk_learner",
        "witnesses",
        "columns",
        "encoders",
        "folds",
        "labels",
        "category_sums",
        "targets",
        "floats",
        "ranks",
        "quantiles",
        "most_frequent",
        "imputers",
        "drawn_rows",
        "samples",
        "scalers",
        "moments",
        "pca",
        "truncated_svd",
        "splines",
        "column_moments",
        "scores",
        "selection",
        "projections",
        "bins",
        "texts",
        "number_columns",
        "code_tables",
        "coded_results",
        "coded_parts",
        "coded_transforms",
        "learners",
    ],
    "estimators": [
        "entry",
        "registry",
        "whole",
        "sums",
        "merging",
        "meta_estimators",
        "attributes",
        "statistics",
        "sgd_state",
        "corrections",
        "zero_weight",
        "losses",
        "stopping_rules",
        "overrides",
        "gaussian",
        "first_centers",
        "first_state",
        "sklearn_entries",
        "skorch_entries",
        "xgboost_entries",
        "lightgbm_entries",
        "growing",
        "learning",
    ],
    "learn": [
        "watch",
        "rule_choice",
        "seeds",
        "interrupt",
        "learner",
        "training",
        "advice",
        "checks",
        "given_rows",
        "first_call",
        "class_sampling",
        "chunking",
        "keeping",
        "plan",
        "memory",
        "sampling",
        "clones",
        "learners",
        "merge_fit",
        "from_folds",
        "learned_once",
        "rendering",
        "explanation",
        "table_pieces",
        "whole_plan",
        "whole",
        "model_size",
        "fitting",
    ],
    "pipelines": [
        "steps",
        "coded_steps",
        "training_rows",
        "shared",
        "passes",
        "shared_steps",
        "compositions",
        "fusing",
        "single_steps",
        "stages",
        "targets",
        "spill",
        "fitting",
    ],
    "methods": [
        "base",
        "signatures",
        "predictions",
        "transformations",
        "scores",
        "by_name",
    ],
    "search": [
        "reading",
        "functions",
        "settings",
        "subsets",
        "rounds",
        "resources",
        "halving",
        "strategies",
        "planned",
        "reads",
        "explaining",
    ],
    "": [
        "_history_display",
        "_search_display",
        "_saved_state",
        "_chunked_fit",
        "_chunked_search",
        "_model_selection",
        "_curves",
        "__init__",
    ],
    "cli": ["digits", "demo", "demo_report", "info"],
    "command": ["__main__"],
}
AT_THE_TOP = {"top", "", "command"}  # rows of the house that are files, not folders
PACKAGE = Path(skmmap.__file__).parent
FOLDERS = [folder for folder in HOUSE if folder not in AT_THE_TOP]
MODULES = [(folder, module) for folder, modules in HOUSE.items() for module in modules]


def name_module(folder, module):
    parts = ["skmmap", *([] if folder in AT_THE_TOP else [folder])]
    return ".".join(parts if module == "__init__" else [*parts, module])


def find_path(folder, module):
    folder = "" if folder in AT_THE_TOP else folder.replace(".", "/")
    return PACKAGE / folder / f"{module}.py"


@cache
def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def list_imports(path):
    return list(iter_imports(path))


def iter_imports(path):
    """Yield the modules of skmmap that a file imports, and the names from each."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            if node.module.partition(".")[0] == "skmmap":
                yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                is_own = alias.name.partition(".")[0] == "skmmap"
                assert not is_own, f"{path} takes more than names: from ... import"


def read_given(folder):
    """Return the docstring and the names of a folder's ``__init__``, by module."""
    tree = parse(find_path(folder, "__init__"))
    given = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return ast.get_docstring(tree), given, tree


def test_every_module_has_its_place():
    paths = PACKAGE.rglob("*.py")
    modules = {p for p in paths if p.parent == PACKAGE or p.name != "__init__.py"}
    assert modules == {find_path(*place) for place in MODULES}
    folders = {p.parent for p in PACKAGE.rglob("__init__.py")} - {PACKAGE}
    assert folders == {find_path(folder, "__init__").parent for folder in FOLDERS}


def test_files_in_folders_have_no_underscore():
    assert not list(PACKAGE.rglob("*/_[!_]*.py"))


@pytest.mark.parametrize(("folder", "module"), MODULES)
def test_a_module_imports_from_before_it_only(folder, module):
    place = MODULES.index((folder, module))
    before = {name_module(f, m) for f, m in MODULES[:place] if f in (folder, "top")}
    if folder in AT_THE_TOP:
        before |= {name_module(f, m) for f, m in MODULES[:place] if f in AT_THE_TOP}
    elif list(HOUSE).index("") < list(HOUSE).index(folder):
        before.add("skmmap")
    rooms = [f for f in FOLDERS if list(HOUSE).index(f) < list(HOUSE).index(folder)]
    for imported, names in iter_imports(find_path(folder, module)):
        room = imported.removeprefix("skmmap.")
        if room in rooms:
            missing = set(names) - set(read_given(room)[1])
            assert not missing, f"skmmap.{room} does not give {missing}"
        elif imported == "skmmap":
            assert "skmmap" in before, "the public names are not before it"
            assert set(names) <= set(skmmap.__all__), "a folder is not a public name"
        else:
            assert imported in before, f"{imported} is not before it, or not a folder"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_what_it_is_for_and_what_it_gives(folder):
    docstring, given, tree = read_given(folder)
    kinds = {type(node) for node in tree.body}
    assert kinds == {ast.Expr, ast.ImportFrom, ast.Assign}, "it does nothing else"
    assert docstring.endswith(".")
    assert docstring.count(". ") == 0, "one sentence"
    homes = {
        module if (folder, name) in MODULES else module.rpartition(".")[0]
        for name, module in given.items()
    }
    assert homes == {f"skmmap.{folder}"}
    named = [ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign)]
    assert named == [sorted(given, key=_by_case)]
    used = {
        name
        for place in MODULES
        if place[0] != folder
        for module, names in list_imports(find_path(*place))
        if module == f"skmmap.{folder}"
        for name in names
    }
    assert set(given) == used, "it gives what others use, and nothing else"


def _by_case(name):
    """Order names as isort and ruff do: constants, classes, functions."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


def test_the_documented_house_is_this_one():
    design = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in design.splitlines() if "/` |" in line]
    folders = [name.strip(" `/").replace("/", ".") for name, _ in rows]
    assert folders == FOLDERS
    for folder, (_, text) in zip(folders, rows, strict=True):
        docstring, _, _ = read_given(folder)
        assert text.strip() == docstring.replace("``", "`").rstrip(".")
