"""The methods of a fitted ChunkedFit that take rows, each chunk by chunk."""

from skmmap.methods.by_name import ApplyMethod
from skmmap.methods.predictions import Predictions
from skmmap.methods.scores import Scores
from skmmap.methods.transformations import Transformations

__all__ = ["ApplyMethod", "Predictions", "Scores", "Transformations"]
