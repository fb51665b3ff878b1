"""Parquet and ORC files behind URLs."""

from pathlib import PurePosixPath

from skmmap.disk import Identity
from skmmap.formats.arrow import SUFFIXES, Partitions
from skmmap.formats.files import parquet
from skmmap.formats.remote.finding import find_inside
from skmmap.remote import RemotePath, at_once, fetch_ends
from skmmap.rows import Store


def is_table(path: RemotePath) -> bool:
    """Whether a file is a table by its name."""
    return path.suffix in SUFFIXES


def find_tables(url: str, options: dict) -> list[str]:
    """Return the URLs of tables in a folder and its folders, none if it is none."""
    return find_inside(url, options, _is_part)


def _is_part(path: str, folder: str) -> bool:
    """Whether a file is one of a table's, by the names of file and folders."""
    inside = PurePosixPath(path).relative_to(PurePosixPath(folder))
    hidden = any(part.startswith((".", "_")) for part in inside.parts)
    keyed = all("=" in part for part in inside.parts[:-1])
    return not hidden and keyed and inside.suffix.lower() in SUFFIXES


def open_tables(paths: list, roots: list, columns, as_frame, filters) -> Store:
    """Return one store of remote files."""
    fetch_ends(paths)
    partitions = Partitions.find(paths, roots)
    kinds = RemoteTables, RemoteFrames
    return parquet.open_tables(paths, partitions, columns, as_frame, filters, kinds)


class RemoteTables(parquet.ParquetStore):
    """Rows of remote files of tables, one row group in memory at a time."""

    @property
    def kinds(self) -> tuple:
        return RemoteTables, RemoteFrames

    def _identify(self) -> Identity:
        return Identity(is_known=all(path.file.state.tag for path in self.paths))

    def _check_facts(self, facts: bytes) -> None:
        states = [(str(path), path.file.state) for path in self.paths]
        super()._check_facts(facts + repr(states).encode())

    def for_run(self, read_mode: str) -> "RemoteTables":
        self._check_open()
        self._check_remote()
        return self

    def finish(self) -> None:
        self._check_remote()

    def _check_remote(self) -> None:
        at_once(lambda path: path.file.check(), self.paths)

    def _check_files(self, cause: Exception | None = None) -> None:
        """Ask for the files after an error: after each read would take longer."""
        self._used = set()
        if cause is not None:
            self._check_remote()

    def close(self) -> None:
        super().close()
        for path in self.paths:
            path.file.close()


class RemoteFrames(parquet.ParquetFrames, RemoteTables):
    """Rows of remote files of tables as data frames."""
