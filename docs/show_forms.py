"""Write what notebooks show of skmmap's objects, beside the pages of the site."""

from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows


def make_forms() -> dict:
    """Return the HTML form of each object by the name of its page."""
    X = np.arange(4_000.0).reshape(1_000, 4) % 7
    y = (X[:, 0] > 3).astype(int)
    model = ChunkedFit(SGDClassifier(random_state=0), max_epochs=2, shuffle=True)
    forms = {"estimator": model._repr_html_()}
    forms["explain"] = model.explain(X, y)._repr_html_()
    forms["fitted"] = model.fit(X, y)._repr_html_()
    forms["rows"] = open_rows(X)[::3]._repr_html_()
    return forms


def write_forms(folder: Path) -> None:
    """Write a page for each form."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, form in make_forms().items():
        head = f'<!doctype html><meta charset="utf-8"><title>{name}</title>'
        Path(folder, f"{name}.html").write_text(head + form, encoding="utf-8")
