"""Whose an estimator is; classes of scikit-learn are known by their names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn.base
from sklearn.linear_model import SGDClassifier
from sklearn.utils import all_estimators

import skmmap
from skmmap.apply.inference import _HOLD_GIL
from skmmap.apply.scoring import _COMBINE, _HAND_ON
from skmmap.estimators.meta_estimators import _NAMELESS
from skmmap.wrap.meta_estimators import META
from skmmap.wrap.origin import is_one_of


def iter_names():
    """Yield the names of classes that are asked for by ``is_one_of``."""
    for path in Path(skmmap.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "is_one_of":
                yield from (arg.value for arg in node.args if hasattr(arg, "value"))


def test_names_are_those_of_classes_of_scikit_learn():
    tables = {*META, *_HOLD_GIL, *_NAMELESS, *_HAND_ON, *_COMBINE}
    asked = {name for name in iter_names() if isinstance(name, str)} | tables
    assert len(asked) > 15
    known = {name for name, _ in all_estimators()} | set(vars(sklearn.base))
    assert asked <= known


def test_a_class_of_that_name_from_elsewhere_is_none():
    class Pipeline(SGDClassifier):
        pass

    assert is_one_of(Pipeline(), "SGDClassifier")
    assert not is_one_of(Pipeline(), "Pipeline")


NOT_NEEDED = """
asyncio dask email h5py joblib.externals.cloudpickle matplotlib pandas polars pyarrow
pytest rich skorch urllib zarr
sklearn.cluster sklearn.decomposition sklearn.feature_selection sklearn.multiclass
sklearn.multioutput sklearn.neural_network sklearn.pipeline sklearn.semi_supervised
"""


def test_an_import_brings_no_module_that_a_fit_of_a_map_does_not_need():
    # All that this one imports the linear models import as well.
    code = """
import sys, sklearn.naive_bayes
before = set(sys.modules)
import skmmap
print(*set(sys.modules) - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    brought = set(done.stdout.split())
    assert "skmmap.read.table" in brought
    assert not brought & set(NOT_NEEDED.split())


def test_names_that_come_later_are_there():
    assert "convert" in dir(skmmap)
    assert skmmap.convert.__module__ == "skmmap.write.conversion"
    with pytest.raises(AttributeError, match=r"module 'skmmap' has no attribute 'no'"):
        skmmap.no  # noqa: B018
