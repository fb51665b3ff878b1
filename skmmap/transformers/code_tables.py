"""Fitted encoders as tables: what they make of a text is looked up by its code."""

import numpy as np
from scipy import sparse

from skmmap.rows import CodedFrame, Codes
from skmmap.transformers.columns import find_key
from skmmap.wrap import has_sklearns, is_one_of

_SILENT = "ignore", "infrequent_if_exist", "use_encoded_value"
_REFUSED = None  # in place of what a text becomes


class CodeTable:
    """What imputers, and an encoder after them, make of texts: they are asked once.

    One-hot encoders make of a text the number of a column, -1 for none, and ordinal
    ones a value.
    """

    def __init__(self, steps: list):
        *self._imputers, self._encoder = steps
        self.is_one_hot = is_one_of(self._encoder, "OneHotEncoder")
        self.dtype = np.dtype(self._encoder.dtype)
        self._ends = np.cumsum(_find_widths(self._encoder))
        self.width = int(self._ends[-1])
        self._forget()

    def _forget(self) -> None:
        self._known: list[dict] = [{} for _ in self._ends]
        self._tables: list = [None for _ in self._ends]  # of the last dictionaries

    def __getstate__(self) -> dict:
        # Or a pickle would depend on the rows that were transformed before.
        return {k: v for k, v in vars(self).items() if k not in ("_known", "_tables")}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._forget()

    def look_up(self, rows: CodedFrame) -> list[tuple] | None:
        """Return for each column what codes become, and the codes of all rows.

        None if some of the texts are refused, or warned about.
        """
        columns = [rows.find_codes(j) for j in range(len(self._ends))]
        tables = [self._get_table(j, column) for j, column in enumerate(columns)]
        if any(table is None for table in tables):
            self._ask(rows, columns)
            tables = [self._make_table(j, each) for j, each in enumerate(columns)]
        found = []
        for (values, is_refused), (codes, _) in zip(tables, columns, strict=True):
            if is_refused is not None and is_refused[codes].any():
                return None
            found.append((values, codes))
        return found

    def _get_table(self, column: int, codes: Codes):
        """Return the table of the last rows, if these have the same dictionary."""
        last = self._tables[column]
        if last is None or not last[0].equals(codes.values):
            return None
        _, table, knows_missing = last
        return table if knows_missing or not _has_missing(codes) else None

    def _make_table(self, column: int, codes: Codes) -> tuple:
        """Return what each code stands for, the last one being -1, and which refuse."""
        known = self._known[column]
        texts = [*codes.values.to_pylist(), None]
        found = [known.get(text, _REFUSED) for text in texts]
        is_refused = np.array([each is _REFUSED for each in found])
        dtype = np.intp if self.is_one_hot else self.dtype
        values = np.array([0 if each is _REFUSED else each for each in found], dtype)
        table = values, is_refused if is_refused.any() else None
        self._tables[column] = codes.values, table, _has_missing(codes)
        return table

    def _ask(self, rows: CodedFrame, columns: list[Codes]) -> None:
        """Ask for what is not known yet."""
        asked = []
        for known, codes in zip(self._known, columns, strict=True):
            texts = [*codes.values.to_pylist(), *[None] * _has_missing(codes)]
            asked.append([text for text in texts if text not in known])
        try:
            asked = [
                [text for text, is_good in zip(texts, goods, strict=False) if is_good]
                for texts, goods in zip(asked, self._check(rows, asked), strict=True)
            ]
            cells = self._read_cells(self._encoder.transform(self._spell(rows, asked)))
        except Exception:  # the rows themselves show which, and where
            return
        for known, texts, found in zip(self._known, asked, cells.T, strict=True):
            known.update(zip(texts, found.tolist(), strict=False))

    def _spell(self, rows: CodedFrame, asked: list[list]):
        """Return rows with all texts, as the encoder gets them."""
        n_rows = max(map(len, asked))
        known = [
            texts or list(k)[:1] for texts, k in zip(asked, self._known, strict=True)
        ]
        given = rows.spell([(n_rows * texts)[:n_rows] for texts in known])
        for imputer in self._imputers:
            given = imputer.transform(given)
        return given

    def _check(self, rows: CodedFrame, asked: list[list]) -> np.ndarray:
        """Return of each column which texts are encoded without an error or warning."""
        given = np.asarray(self._spell(rows, asked), dtype=object).T
        if _is_silent(self._encoder):
            return np.ones(given.shape, bool)
        categories = [set(map(find_key, c)) for c in self._encoder.categories_]
        return np.array(
            [
                [find_key(value) in known for value in values]
                for values, known in zip(given, categories, strict=True)
            ]
        )

    def _read_cells(self, encoded) -> np.ndarray:
        if not self.is_one_hot:
            return encoded
        encoded = sparse.coo_array(encoded)
        cells = np.full((encoded.shape[0], len(self._ends)), -1)
        rows, places = encoded.coords
        cells[rows, np.searchsorted(self._ends, places, side="right")] = places
        return cells


def _has_missing(codes: Codes) -> bool:
    return bool(codes.codes.min(initial=0) < 0)


def _is_silent(encoder) -> bool:
    """Whether texts that are not known raise no error and no warning."""
    return encoder.handle_unknown in _SILENT and getattr(encoder, "drop", None) is None


def _find_widths(encoder) -> list[int]:
    """Return how many columns an encoder makes of each."""
    if not is_one_of(encoder, "OneHotEncoder"):
        return [1 for _ in encoder.categories_]
    rare = getattr(encoder, "infrequent_categories_", None)
    rare = [None for _ in encoder.categories_] if rare is None else rare
    dropped = encoder.drop_idx_
    dropped = [None for _ in encoder.categories_] if dropped is None else dropped
    return [
        len(known) - (0 if few is None else len(few) - 1) - (drop is not None)
        for known, few, drop in zip(encoder.categories_, rare, dropped, strict=True)
    ]


def can_look_up(steps: list) -> bool:
    """Whether an encoder, after imputers, makes of a text the same in all rows."""
    if not steps or not all(has_sklearns(step, "transform") for step in steps):
        return False
    *imputers, encoder = steps
    return is_one_of(encoder, "OneHotEncoder", "OrdinalEncoder") and all(
        is_one_of(each, "SimpleImputer") and not each.add_indicator for each in imputers
    )
