"""Which of the arrays in a file is meant."""

_LISTED = 10


def find_key(shapes: dict, key: str | None, where: str, what: str) -> str:
    """Return the name of the array that is meant: the only one, if no name is given.

    ``shapes`` are those of all arrays by name, and ``what`` is what one is called.
    """
    if not shapes:
        raise ValueError(f"{where!r} holds no {what}.")
    if key is None and len(shapes) == 1:
        return next(iter(shapes))
    if key is None:
        raise ValueError(
            f"{where!r} holds {len(shapes):,} {what}s; name one, "
            f"open_rows(..., key={min(shapes)!r}): {_list(shapes)}."
        )
    if key not in shapes:
        raise ValueError(f"{where!r} has no {what} {key!r}; it holds {_list(shapes)}.")
    return key


def _list(shapes: dict) -> str:
    """Return the first names with their shapes."""
    named = sorted(shapes.items())
    listed = ", ".join(
        f"{name or repr(name)} ({' x '.join(f'{n:,}' for n in shape)})"
        for name, shape in named[:_LISTED]
    )
    more = len(named) - _LISTED
    return listed + (f" and {more:,} more" if more > 0 else "")
