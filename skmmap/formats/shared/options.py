"""The options of `open_rows`: what each means is up to the format of the source."""

from skmmap.formats.shared.contract import refuse_option, say_source

UNSET = {
    "mode": "r",
    "dtype": None,
    "shape": None,
    "offset": 0,
    "order": "C",
    "columns": None,
    "as_frame": "auto",
    "filters": None,
    "key": None,
    "axis": None,
    "storage_options": None,
    "cache": "auto",
}


def check_options(source, options: dict, taken=(), modes=("r", "r+", "c")) -> None:
    """Raise for an option that would be ignored for such a source.

    ``taken`` are those that have a meaning; a mode that has none must be "r".
    """
    modes = modes if "mode" in taken else ("r",)
    if options["mode"] not in modes:
        raise ValueError(
            f"mode must be {' or '.join(map(repr, modes))} for {say_source(source)}; "
            f"got {options['mode']!r}."
        )
    for name, option in options.items():
        if name in taken or option is UNSET[name] or option == UNSET[name]:
            continue
        if name != "mode":
            refuse_option(source, name, option)
