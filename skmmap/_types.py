"""Types in the signatures of public functions."""

import os
from typing import Any, TypeAlias

import numpy as np

# All that `open_rows` opens: arrays, maps, paths, frames, sparse matrices, lists, and
# objects of libraries that need not be installed.
RowsLike: TypeAlias = Any
StrPath: TypeAlias = str | os.PathLike[str]
MapFile: TypeAlias = np.memmap[Any, Any]
