"""Rows to new files: batches, samples, CSV and other formats, whole or not at all."""

from skmmap.write.batches import check_storable
from skmmap.write.conversion import convert, iter_batches
from skmmap.write.npy import NpyWriter
from skmmap.write.saving import save_rows

__all__ = [
    "NpyWriter",
    "check_storable",
    "convert",
    "iter_batches",
    "save_rows",
]
