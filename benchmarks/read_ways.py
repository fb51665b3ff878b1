"""The ways of read.py, run in a child: ChunkedFit, the loop, and the limits of both."""

from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import cases
from data import open_maps, read_arrays, read_few
from measure import check_equal
from rows import read_map
from workers import serve

from skmmap import ChunkedFit

_BUFFER_BYTES = 4_000_000


def describe_case(case: cases.Case) -> dict:
    """Return a case as JSON can say it, for interpreters with other versions."""
    estimator = case.make()
    return {
        # The public module: scikit-learn's private ones move.
        "module": ".".join(type(estimator).__module__.split(".")[:2]),
        "name": type(estimator).__name__,
        "params": find_changed_params(estimator),
        "target": case.target,
        "share": case.share,
        "whole": case.whole,
    }


def find_changed_params(estimator) -> dict:
    defaults = type(estimator)().get_params()
    params = estimator.get_params()
    return {name: value for name, value in params.items() if value != defaults[name]}


def prepare(spec: dict, folder: str, read: str | None):
    """Return the ways of a case."""
    kind = getattr(import_module(spec["module"]), spec["name"])
    case = cases.Case(
        lambda: kind(**spec["params"]),
        target=spec["target"],
        share=spec["share"],
        whole=spec["whole"],
    )
    train = partial(fit_chunked, case, {"read": read} if read else {})
    size = train(*read_few(case, folder)).chunk_size_
    loop = partial(cases.fit_by_hand, case, chunk_size=size)
    whole = partial(cases.fit_whole, in_batches(case, size), chunk_size=size)
    loop(*read_few(case, folder))  # loads what is loaded only once
    fits = {"chunked": lambda X, y: train(X, y).estimator_, "loop": loop}
    return make_ways(case, folder, size, fits, whole)


def in_batches(case: cases.Case, size: int) -> cases.Case:
    """Return the case whose own ``fit`` cuts batches of ``size`` rows, if it does."""
    if "batch_size" not in case.whole:
        return case
    return replace(case, whole=case.whole | {"batch_size": size})


def fit_chunked(case, params, X, y):
    return ChunkedFit(case.make(), max_epochs=1, shuffle=False, **params).fit(X, y)


def make_ways(case, folder, size: int, fits: dict, whole) -> dict:
    """Return functions without arguments; arrays are read when first needed."""
    maps = partial(open_maps, case, folder)
    arrays = cache(partial(read_arrays, case, folder))
    paths = find_paths(case, folder)
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    return {
        "chunked": lambda: fits["chunked"](*maps()),
        "loop": lambda: fits["loop"](*maps()),
        "compute": lambda: fits["loop"](*arrays()),
        "whole": lambda: whole(*arrays()),
        "read": lambda: [read_file(path, buffer) for path in paths],
        "touch": lambda: [read_map(path, size) for path in paths],
        "check": lambda: check_equal(case, folder, fits),
    }


def find_paths(case, folder) -> list:
    """Return the files of X and y."""
    names = ["X"] + ([case.target] if case.target else [])
    return [Path(folder) / str(case.share) / f"{name}.npy" for name in names]


def read_file(path, buffer) -> None:
    """Read a file as fast as one thread can: into memory that is there already."""
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


if __name__ == "__main__":
    serve(prepare)
