"""ORC files: stripes in place of the row groups of Parquet files."""

from skmmap.formats.arrow.columns import find_dtype, to_value_type
from skmmap.formats.arrow.native_files import open_native
from skmmap.formats.shared import import_library


class OrcFile:
    """An ORC file while it is read, one stripe at a time.

    The footer says how many rows are in a stripe, and how many values are missing, but
    pyarrow does not: stripes are read for that.
    """

    is_mapped = False

    def __init__(self, path, coded=()):
        self._arrow = import_library("pyarrow", "ORC files", "parquet", path)
        orc = import_library("pyarrow.orc", "ORC files", "parquet", path)
        self._source = open_native(self._arrow, path)
        try:
            self._file = orc.ORCFile(self._source)
            self.schema = self._file.schema
        except (OSError, ValueError) as error:
            self.close()
            raise ValueError(f"{error}.") from error

    def find_counts(self, names) -> list[int]:
        """Return the number of rows in each stripe."""
        return [table.num_rows for table in self._iter_stripes(names[:1])]

    def find_nulls(self, names) -> set:
        """Return the columns with nulls, if these change their type."""
        types = {n: to_value_type(self.schema.field(n).type) for n in names}
        names = [n for n in names if find_dtype(types[n], 0) != find_dtype(types[n], 1)]
        tables = self._iter_stripes(names) if names else ()
        return {n for t in tables for n in names if t.column(n).null_count}

    def find_unknown(self, names) -> set:
        """Return no columns: nulls are counted."""
        return set()

    def find_nbytes(self, names) -> int:
        """Return the bytes of all columns: those of a single one are not known."""
        return self._file.content_length

    def find_decoded(self, names) -> list[int]:
        """Return no bytes: stripes are read whole."""
        return [0] * self._file.nstripes

    def read(self, number: int, names, is_mapped: bool):
        """Return some columns of a stripe as a table, in the order of the file."""
        batch = self._file.read_stripe(number, list(dict.fromkeys(names)))
        return self._arrow.Table.from_batches([batch])

    def _iter_stripes(self, names):
        return (self.read(i, names, False) for i in range(self._file.nstripes))

    def close(self) -> None:
        self._file = None
        self._source.close()
