"""Fitted pipelines that take rows with codes in place of texts."""

from collections.abc import Callable
from copy import copy
from typing import Any

from sklearn import get_config

from skmmap.pipelines.steps import Transform
from skmmap.rows import Source
from skmmap.transformers import find_coded
from skmmap.wrap import InputLayout, is_passed


class CodedStep:
    """A step whose ``transform`` takes codes; in all else it is the transformer."""

    def __init__(self, transformer: Any, transform: Callable):
        self._transformer, self.transform = transformer, transform

    def __sklearn_tags__(self):
        return self._transformer.__sklearn_tags__()


def take_codes(pipeline, source: Source) -> tuple[Any, Source]:
    """Return the pipeline and the rows that it takes: with codes, if that is known.

    Methods of the pipeline return the same for both.
    """
    *before, _ = pipeline.steps
    first = next((i for i, (_, step) in enumerate(before) if not is_passed(step)), None)
    if first is None or get_config()["enable_metadata_routing"]:
        return pipeline, source
    name, step = before[first]
    found = find_coded(step, Transform(step, InputLayout()), source)
    if found is None:
        return pipeline, source
    coded, transform = found
    taking = copy(pipeline)
    taking.steps = list(pipeline.steps)
    taking.steps[first] = name, CodedStep(step, transform)
    return taking, coded
