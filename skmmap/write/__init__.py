"""Rows to new files: batches, samples, CSV and other formats, whole or not at all."""

from skmmap.write.batches import check_storable
from skmmap.write.conversion import convert
from skmmap.write.fingerprints import check_known, find_fingerprint
from skmmap.write.npy import NpyWriter
from skmmap.write.row_batches import iter_batches
from skmmap.write.saving import save_rows

__all__ = [
    "NpyWriter",
    "check_known",
    "check_storable",
    "convert",
    "find_fingerprint",
    "iter_batches",
    "save_rows",
]
