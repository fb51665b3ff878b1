"""Nets of skorch: what their own ``fit`` does, and what ``partial_fit`` does instead.

https://skorch.readthedocs.io/en/stable/net.html
"""

from typing import Any

from skmmap._messages import warn


def is_net(estimator) -> bool:
    """Whether it is a net of skorch, which is not imported for that."""
    return any(
        cls.__name__ == "NeuralNet" and cls.__module__.partition(".")[0] == "skorch"
        for cls in type(estimator).__mro__
    )


def is_net_shuffled(net, is_told: bool) -> bool:
    """Whether rows are to be shuffled: as the net says, else if it is told y."""
    own = getattr(net, "iterator_train__shuffle", None)
    return is_told if own is None else bool(own)


def find_net_changes(net) -> dict[str, Any]:
    """Return parameters with which ``partial_fit`` learns each row of a chunk once.

    It makes all the epochs of ``fit`` on each chunk, and holds out a fifth of it. A
    split that is the user's own, such as ``predefined_split``, is left alone.
    """
    changed = {"max_epochs": 1}
    if type(net.train_split).__name__ == "ValidSplit":
        changed["train_split"] = None
    return changed


def warn_of_callbacks(net, n_chunks: int) -> None:
    """Warn of callbacks that would be told of many fits."""
    callbacks = getattr(net, "callbacks", None)
    if n_chunks < 2 or not callbacks or isinstance(callbacks, str):
        return
    warn(
        f"The callbacks of {type(net).__name__} are told of a fit of one epoch for "
        f"each of {n_chunks:,} chunks: a schedule of the learning rate goes on with "
        "each of them, and early stopping begins again. Leave them out, and change the "
        "learning rate by hand: fit with max_epochs=1, then call "
        "model.estimator_.set_params(lr=...) and model.partial_fit(X, y) for each "
        "further epoch.",
        UserWarning,
    )
