"""The entry of skorch's nets, which skmmap does not import.

https://skorch.readthedocs.io/en/stable/net.html
"""

from skmmap._messages import warn


def override_net(net, run) -> dict:
    """Return parameters with which ``partial_fit`` learns each row of a chunk once.

    By default it runs all epochs on each chunk, and holds out a fifth of the chunk. A
    custom ``train_split``, such as ``predefined_split``, is kept.
    """
    if run.is_loop:
        return {}
    _warn_of_callbacks(net, run.n_chunks)
    is_default = type(net.train_split).__name__ == "ValidSplit"
    return {"max_epochs": 1} | ({"train_split": None} if is_default else {})


def _warn_of_callbacks(net, n_chunks: int) -> None:
    """Warn that callbacks would see a fit for each chunk."""
    callbacks = getattr(net, "callbacks", None)
    if n_chunks < 2 or not callbacks or isinstance(callbacks, str):
        return
    warn(
        f"The callbacks of {type(net).__name__} see a fit of one epoch for "
        f"each of {n_chunks:,} chunks: a schedule of the learning rate advances with "
        "each of them, and early stopping begins again. Leave them out, and change the "
        "learning rate by hand: fit with max_epochs=1, then call "
        "model.estimator_.set_params(lr=...) and model.partial_fit(X, y) for each "
        "further epoch.",
        UserWarning,
    )


# With ``run_single_epoch`` callbacks would see a single fit of all epochs, but it would
# bypass the ``partial_fit`` of a subclass.
SKORCH = {
    "skorch.net.NeuralNet": {
        "epochs": "max_epochs",
        "shuffle": "iterator_train__shuffle",
        "batch_size": "batch_size",
        "splits_chunks": True,
        "overrides": override_net,
    },
}
