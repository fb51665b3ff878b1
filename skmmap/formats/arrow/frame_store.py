"""Columns of Arrow tables as rows of data frames."""

from functools import cached_property

from sklearn import get_config

from skmmap._messages import describe_rows
from skmmap.formats.arrow.arrow_store import ArrowStore
from skmmap.formats.arrow.columns import choose_columns, find_common, is_string
from skmmap.formats.arrow.frame_types import (
    changes_by_null,
    join_categories,
    open_frames,
)
from skmmap.formats.arrow.list_columns import Column
from skmmap.formats.arrow.schemas import (
    choose_fields,
    code_texts,
    concat_fitted,
    fit_table,
    is_dictionary,
    make_empty,
    own_rows,
    select_fields,
)
from skmmap.rows import CodedFrame, FrameStore, Store, check_read, join_coded

LIBRARIES = "pandas", "polars"
_SAMPLED = 1_000  # rows that tell how many bytes one takes


def choose_library(schema, columns, as_frame, where: str) -> str:
    """Return the library of which rows are frames, "" if they make an array."""
    if as_frame not in ("auto", True, False, *LIBRARIES):
        raise ValueError(
            "as_frame must be 'auto', True, False, 'pandas' or 'polars'; got "
            f"{as_frame!r}."
        )
    is_auto = as_frame == "auto"
    if as_frame is False or (is_auto and _is_array(schema, columns, where)):
        return ""
    if isinstance(columns, str):
        raise ValueError(
            f"as_frame={as_frame!r} makes frames, and columns={columns!r} one "
            f"dimension. Give columns=[{columns!r}]."
        )
    if as_frame in LIBRARIES:
        return as_frame
    return "polars" if get_config()["transform_output"] == "polars" else "pandas"


def choose_again(store: ArrowStore, schema, columns, as_frame) -> tuple:
    """Return some columns of a store that is open, and the library of their frames.

    Columns that the store does not read are none of its columns.
    """
    if columns is None:
        columns = store.list_columns() if store.columns is None else store.columns
    read = select_fields(schema, store.list_columns())
    choose_columns(read, columns, store.where)
    return columns, choose_library(read, columns, as_frame, store.where)


def _is_array(schema, columns, where: str) -> bool:
    """Whether one array can hold all columns."""
    if isinstance(columns, str):
        return True
    names = choose_columns(schema, columns, where)
    types = {name: Column(name, schema.field(name).type, where).type for name in names}
    try:
        find_common(types, set(), where)
    except TypeError:
        return False
    return True


class FramesOfArrow(ArrowStore):
    """Columns of tables as frames; mixed with a class that brings the tables."""

    has_missing_strings = False
    pick, join = staticmethod(FrameStore.pick), staticmethod(FrameStore.join)
    _library = "pandas"
    _coded: tuple = ()  # columns of texts that are read as codes

    def _describe(self, schema, columns) -> None:
        self._names = choose_columns(schema, columns, self.where)
        self.columns = columns
        for name in self._names:
            if self._names.count(name) > 1:
                raise ValueError(
                    f"columns has {name!r} {self._names.count(name)} times, and "
                    "columns of frames have different names. Give each once."
                )
        n_rows, nulls = self._find_rows()
        self._schema = choose_fields(schema, self._names)
        self._frames = open_frames(
            self._library,
            self._schema,
            nulls | self._find_more_nulls(),
            self._find_categories(),
            self.where,
        )
        empty = self._frames.empty
        self.shape, self.dtype = (n_rows, len(self._names)), FrameStore(empty).dtype
        self.kind, self.names = FrameStore(empty).kind, FrameStore(empty).names
        types = map(str, empty.dtypes)
        self.column_types = dict(zip(empty.columns, types, strict=True))
        self.has_index = self._frames.has_index

    def _find_more_nulls(self) -> set:
        """Return columns with nulls of which nothing told before, from one pass."""
        unknown = self._find_unknown(
            [each.name for each in self._schema if changes_by_null(each.type)]
        )
        found: set = set()
        for table in self._iter_tables(sorted(unknown)) if unknown else ():
            found |= {name for name in unknown if table.column(name).null_count}
        return found

    def _find_categories(self) -> dict:
        """Return the categories of columns that have such, from one pass."""
        fields = [each for each in self._schema if is_dictionary(each.type)]
        if self._library != "pandas" or not fields:
            return {}
        found: dict = {}
        chosen = select_fields(self._schema, [field.name for field in fields])
        for table in self._iter_tables(chosen.names):
            fitted = fit_table(table, chosen)
            for name in chosen.names:
                found[name] = join_categories(found.get(name), fitted.column(name))
        return {name: values for name, values in found.items() if values is not None}

    @cached_property
    def row_nbytes(self) -> int:
        """Bytes of a row, of which the first ones tell how long texts are."""
        n_rows = min(_SAMPLED, self.n_rows)
        rows = self.read(0, n_rows)
        sample = FrameStore(rows.to_frame() if self._coded else rows)
        return max(8 * self.row_values, sample.memory_nbytes // max(1, n_rows))

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.row_nbytes

    def as_codes(self) -> "FramesOfArrow | None":
        texts = [field.name for field in self._schema if is_string(field.type)]
        if self._library != "pandas" or not texts:
            return None
        if self._coded:
            return self
        store = object.__new__(type(self))
        self._last = self._stream = None  # decoded, for frames
        schema = code_texts(self._schema)
        changes = {"_coded": tuple(texts), "_coded_schema": schema}
        vars(store).update(vars(self) | changes)
        store.pick, store.join = Store.pick, join_coded
        return store

    def _make_empty(self):
        if self._coded:
            empty = make_empty(self._coded_schema)
            return CodedFrame(empty, self._frames, range(0))
        empty = self._frames.empty
        return empty.copy() if self.has_index else empty.clear()

    def _read(self, start, stop):
        slices = self._iter_slices(start, stop)
        schema = self._coded_schema if self._coded else self._schema
        tables = [fit_table(table, schema) for table, _ in slices]
        table = concat_fitted(tables, schema)
        if table.num_rows != stop - start:
            raise ValueError(
                f"{self.where!r} has {table.num_rows:,} of "
                f"{describe_rows(start, stop)}. Open it again."
            )
        if self._coded:
            own = own_rows(table, is_mapped=self._is_mapped)
            return CodedFrame(own, self._frames, range(start, stop))
        return self._frames.make(table, start)

    def _settle(self, rows, start: int, stop: int):
        check_read(self, rows, start, stop)
        return rows

    def __getstate__(self):
        # Or one pickle of the same rows would differ from another.
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key != "row_nbytes"}
