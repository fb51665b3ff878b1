"""What methods with ``out`` return, for type checkers.

`available_if` of scikit-learn has no types, so that a method which it decorates would
be Any. Each decorator here is `available_with`, and says the overloads: an array in
memory, the array that was given, or what is on disk.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast, overload

from numpy.typing import NDArray

from skmmap._types import MapFile, RowsLike, StrPath
from skmmap.rows import Rows
from skmmap.wrap import available_with

_Array: TypeAlias = NDArray[Any]


class _Predict(Protocol):
    @overload
    def __call__(
        self, X: RowsLike, *, out: None = None, resume: bool = False, **params: Any
    ) -> _Array: ...
    @overload
    def __call__(
        self, X: RowsLike, *, out: _Array, resume: bool = False, **params: Any
    ) -> _Array: ...
    @overload
    def __call__(
        self, X: RowsLike, *, out: StrPath, resume: bool = False, **params: Any
    ) -> MapFile: ...


class _Transform(Protocol):
    # In memory the type is that of the estimator's result, after its `set_output`.
    @overload
    def __call__(
        self, X: RowsLike, *, out: None = None, resume: bool = False, **params: Any
    ) -> Any: ...
    @overload
    def __call__(
        self, X: RowsLike, *, out: _Array, resume: bool = False, **params: Any
    ) -> _Array: ...
    @overload
    def __call__(
        self, X: RowsLike, *, out: StrPath, resume: bool = False, **params: Any
    ) -> MapFile | Rows: ...


class _FitPredict(Protocol):
    @overload
    def __call__(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: None = None,
        resume: bool = False,
        **params: Any,
    ) -> _Array: ...
    @overload
    def __call__(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: _Array,
        resume: bool = False,
        **params: Any,
    ) -> _Array: ...
    @overload
    def __call__(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: StrPath,
        resume: bool = False,
        **params: Any,
    ) -> MapFile: ...


class _FitTransform(Protocol):
    @overload
    def __call__(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: None = None,
        resume: bool = False,
        **params: Any,
    ) -> Any: ...
    @overload
    def __call__(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: _Array,
        resume: bool = False,
        **params: Any,
    ) -> _Array: ...
    @overload
    def __call__(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: StrPath,
        resume: bool = False,
        **params: Any,
    ) -> MapFile | Rows: ...


_Method: TypeAlias = Callable[..., Any]

predicts = cast(Callable[[str], Callable[[_Method], _Predict]], available_with)
transforms = cast(Callable[[str], Callable[[_Method], _Transform]], available_with)
fits_and_predicts = cast(
    Callable[[str], Callable[[_Method], _FitPredict]], available_with
)
fits_and_transforms = cast(
    Callable[[str], Callable[[_Method], _FitTransform]], available_with
)
