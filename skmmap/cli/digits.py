"""Writes many images, made from scikit-learn's handwritten digits, to disk."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmmap.write import NpyWriter

_SIDE = 32
_BATCH = 4_096
_HELD_OUT = 0.2
# Large enough that no two rows are equal, and small enough that one pass of a linear
# model has an accuracy of 0.9: degrees, pixels of 8 x 8, grey levels of 16.
_ANGLE, _SHIFT, _NOISE = 5, 0.3, 1


@dataclass(frozen=True)
class Part:
    """Rows made from ``originals``, of no other part, with the seed ``key``."""

    name: str
    n_rows: int
    originals: np.ndarray
    key: int
    seed: int

    @property
    def shapes(self) -> dict:
        """The names of the files of this part, with the shapes of their arrays."""
        images, labels = (self.n_rows, _SIDE, _SIDE), (self.n_rows,)
        return {f"X_{self.name}.npy": images, f"y_{self.name}.npy": labels}

    def iter_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield batches of rows: images, labels, and the original of each."""
        digits = load_digits()
        all_drawn = self._draw(digits.target)
        for number, start in enumerate(range(0, self.n_rows, _BATCH)):
            drawn = all_drawn[start : start + _BATCH]
            images = make_images(digits.images[drawn], self._make_rng(number))
            yield images, digits.target[drawn].astype(np.uint8), drawn

    def _draw(self, labels: np.ndarray) -> np.ndarray:
        """Return the original of each row, sorted by digit."""
        drawn = self._make_rng().choice(self.originals, self.n_rows)
        return drawn[np.argsort(labels[drawn], kind="stable")]

    def _make_rng(self, *key: int) -> np.random.Generator:
        key = (self.key, *key)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


def make_parts(n_rows: int, seed: int) -> list[Part]:
    """Return training and test rows, made from different originals."""
    labels = load_digits().target
    train, test = train_test_split(
        np.arange(len(labels)), test_size=_HELD_OUT, stratify=labels, random_state=seed
    )
    # At least 1,000 test rows: the accuracy of fewer would vary too much.
    return [
        Part("train", n_rows, train, 0, seed),
        Part("test", max(n_rows // 10, 1_000), test, 1, seed),
    ]


def make_images(originals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the originals enlarged, with random rotation, shift and noise."""
    n_rows = len(originals)
    angles = np.deg2rad(rng.normal(0, _ANGLE, n_rows))
    shifts = rng.uniform(-_SHIFT, _SHIFT, (n_rows, 2))
    images = rng.standard_normal((n_rows, _SIDE, _SIDE), dtype=np.float32) * _NOISE
    for image, original, angle, shift in zip(
        images, originals, angles, shifts, strict=True
    ):
        image += _move(original, angle, shift)
    return np.rint(images).clip(0, 16).astype(np.uint8)


def _move(original: np.ndarray, angle: float, shift: np.ndarray) -> np.ndarray:
    """Return one original on the larger grid, rotated about its center and shifted."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) * len(original) / _SIDE
    middle, new_middle = (len(original) - 1) / 2, (_SIDE - 1) / 2
    offset = middle + shift - turn.sum(axis=1) * new_middle
    size = (_SIDE, _SIDE)
    return ndimage.affine_transform(
        original, turn, offset, output_shape=size, order=1, mode="grid-constant"
    )


def open_folder(folder, undo: ExitStack) -> Path:
    """Return the folder to write to; ``undo`` removes it if it is new."""
    if folder is None:
        made = Path(tempfile.mkdtemp(prefix="skmmap_demo_"))
        undo.callback(shutil.rmtree, made, ignore_errors=True)
        return made
    named = Path(folder).absolute()
    if not named.exists():
        named.mkdir(parents=True)
        undo.callback(_remove_empty, named)
    return named


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def write_parts(folder: Path, parts: list[Part], tell: Callable) -> None:
    """Write the complete files of all parts to ``folder``, or none.

    ``tell`` is called with a part and how many of its rows are written.
    """
    names = [name for part in parts for name in part.shapes]
    _check_absent(folder, names)
    _check_space(folder, parts)
    try:
        with tempfile.TemporaryDirectory(prefix=".skmmap_", dir=folder) as unfinished:
            for part in parts:
                _write_part(Path(unfinished), part, tell)
            for name in names:
                os.replace(Path(unfinished, name), folder / name)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise OSError(
            f"Writing to {folder} failed: {reason}. No file was left there; make room, "
            "or choose another --folder."
        ) from error


def _check_absent(folder: Path, names: list[str]) -> None:
    for name in names:
        if os.path.lexists(folder / name):
            raise FileExistsError(
                f"{folder / name} exists, and the demo overwrites nothing. Move it "
                "away, or choose another --folder."
            )


def _check_space(folder: Path, parts: list[Part]) -> None:
    """Raise if the files will not fit, before writing fills the disk."""
    needed = sum(part.n_rows * (_SIDE * _SIDE + 1) for part in parts)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"The files need {needed / 1e6:,.1f} MB, and {folder} has "
            f"{free / 1e6:,.1f} MB free. Choose fewer --rows or another --folder."
        )


def _write_part(folder: Path, part: Part, tell: Callable) -> None:
    """Write both files batch by batch; each batch is made once."""
    with ExitStack() as files:
        X, y = (files.enter_context(NpyWriter(folder / name)) for name in part.shapes)
        for images, labels, _ in part.iter_batches():
            X.append(images)
            y.append(labels)
            tell(part, y.n_rows)
