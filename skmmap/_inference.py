"""One method of a fitted estimator over all chunks."""

from contextlib import closing
from dataclasses import replace

from skmmap._handover import Form, describe_error, note_refusal
from skmmap._messages import add_rows_note
from skmmap._reader import Chunk, Table

_DOING = {
    "predict": "predicting",
    "transform": "transforming",
    "inverse_transform": "transforming back",
    "score": "scoring",
}


def iter_results(
    estimator, method: str, table: Table, schedule, form: Form, *, only_X: bool = False
):
    """Yield each chunk with what ``method`` returns for it, or for its X alone."""
    call = getattr(estimator, method)
    # No rows are one empty chunk: the estimator says what it thinks of that.
    schedule = schedule if len(schedule) else [(0, 0)]
    with closing(table.iter_chunks(schedule)) as chunks:
        for number, chunk in enumerate(chunks, start=1):
            try:
                given = replace(chunk, y=None, params={}) if only_X else chunk
                form, result = _call(call, given, form)
            except Exception as error:
                doing = _DOING.get(method, f"computing {method} for")
                where = f"(chunk {number} of {len(schedule)})"
                add_rows_note(error, doing, table.X, chunk, where)
                raise
            yield chunk, result


def _call(call, chunk: Chunk, form: Form):
    """Return the form that ``call`` took the chunk in, and its result."""
    refusal = None
    while True:
        y = () if chunk.y is None else (form.unlock(chunk.y),)
        params = {key: form.unlock(value) for key, value in chunk.params.items()}
        try:
            result = call(form.apply(chunk.X), *y, **params)
            return form.settled(chunk.X), result
        except Exception as error:
            better = form.after(error, chunk.X)
            if better is None:
                note_refusal(error, refusal)
                raise
            form, refusal = better, describe_error(error)


def apply_method(estimator, method: str, table: Table, schedule, form: Form, output):
    """Return what ``method`` would return for all rows at once, put into ``output``."""
    with closing(output):
        todo = output.choose(schedule)
        results = iter_results(estimator, method, table, todo, form)
        # If a run before has done all of them, none is left.
        if len(todo) or not len(schedule):
            with closing(results):
                for chunk, result in results:
                    output.add(chunk.start, chunk.stop, result)
        return output.result()
