"""In which files the values of an HDF5 dataset lie."""

import os
from glob import escape, glob
from pathlib import Path


def find_address(dataset) -> tuple[Path, str | None]:
    """Return the file of an open dataset, and its name there."""
    file, name = dataset.file, dataset.name
    if name is not None and file.get(name) != dataset:
        # Behind a link from another file, it is the name that the link has there.
        name = file.visititems(lambda n, node: f"/{n}" if node == dataset else None)
    return Path(os.path.abspath(str(file.filename))), name


def is_at(file, path) -> bool:
    """Whether an open HDF5 file is the one at ``path``.

    That may be another one by now, or a namesake: HDF5 keeps a name that is relative to
    the folder which was the working directory when the file was opened.
    """
    if file.driver == "core":  # in memory, where it may bear any name
        return False
    if file.driver != "sec2":  # of others, the handle is no descriptor
        return os.path.isfile(path)
    try:
        return os.path.samestat(os.fstat(file.id.get_vfd_handle()), os.stat(path))
    except FileNotFoundError:
        return False


def find_files(dataset) -> list[str]:
    """Return the files in which the values of an open HDF5 dataset lie."""
    path = os.path.abspath(str(dataset.file.filename))
    folder = os.path.dirname(path)
    access = dataset.id.get_access_plist()
    prefix = os.fsdecode(access.get_efile_prefix() or "").replace("${ORIGIN}", folder)
    # Of raw data in files of their own, names are relative to the working directory.
    raw = [os.path.join(prefix, name) for name, _, _ in dataset.external or ()]
    parts = dataset.virtual_sources() if dataset.is_virtual else ()
    names = {part.file_name for part in parts} - {"."}
    parts = [place for name in names for place in _find_parts(name, folder)]
    return [path, *map(os.path.abspath, raw), *sorted(parts)]


def check_raw(dataset, files: list[str]) -> None:
    """Raise if raw data in files of their own end too early: HDF5 makes them zeros."""
    left = dataset.size * dataset.dtype.itemsize
    for path, (_, offset, room) in zip(files[1:], dataset.external or (), strict=False):
        needed = offset + min(left, room)
        left -= min(left, room)
        if os.path.exists(path) and (size := os.path.getsize(path)) < needed:
            raise ValueError(
                f"{path!r} is truncated: {dataset.name} of {files[0]!r} needs "
                f"{needed:,} bytes of it, and it has {size:,}. Write it again."
            )


def _find_parts(name: str, folder: str) -> list[str]:
    """Return where HDF5 looks for a source of a virtual dataset; %b is a number."""
    beside = os.path.join(folder, name)
    path = name if os.path.exists(name) and not os.path.exists(beside) else beside
    if "%b" not in name:
        return [os.path.abspath(path)]
    return list(map(os.path.abspath, glob(escape(path).replace("%b", "*"))))
