"""The command line: ``python -m skmmap``."""

from skmmap.cli.demo import WAYS, keep_best, run_apart
from skmmap.cli.demo_report import print_loading, print_table, say_size
from skmmap.cli.digits import make_parts, open_folder, write_parts
from skmmap.cli.info import describe

__all__ = [
    "WAYS",
    "describe",
    "keep_best",
    "make_parts",
    "open_folder",
    "print_loading",
    "print_table",
    "run_apart",
    "say_size",
    "write_parts",
]
