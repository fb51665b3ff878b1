"""What a call of ``partial_fit`` costs, and each row in it: data for "auto".

Written by benchmarks/chunk_size.py, which says how it was measured, not by hand.
Estimators whose own ``fit`` cuts batches are not here: their ``batch_size`` decides.
"""

from skmmap.order.chunk_size import Cost

# The date and the machine of the last run that wrote here.
MADE = "2026-11-23, Python 3.11.7, numpy 2.4.6, scikit-learn 1.9.1, AMD EPYC, 2 cores"

COSTS = {
    "GaussianNB": Cost(320, 0.017, 130, 2.4),
    "MultinomialNB": Cost(520, 0.025, 53, 1.8),
    "ComplementNB": Cost(530, 0.024, 53, 1.8),
    "BernoulliNB": Cost(600, 0.03, 63, 5.1),
    "CategoricalNB": Cost(560, 31, 96, 33, most_values=131_072, least_rows=4_096),
    "SGDClassifier": Cost(1500, 0, 140, 4.4),
    "SGDRegressor": Cost(330, 0.0023, 39, 2.3),
    "SGDOneClassSVM": Cost(280, 0, 37, 1.7),
    "Perceptron": Cost(1500, 0, 110, 4.5),
    "PassiveAggressiveClassifier": Cost(1500, 0.029, 110, 8.1),
    "PassiveAggressiveRegressor": Cost(350, 0.072, 28, 2.3),
    "MLPClassifier": Cost(1200, 0.62, 1100, 7.5),
    "MLPRegressor": Cost(480, 0.63, 850, 12),
    "StandardScaler": Cost(270, 0.02, 58, 4.3, most_values=524_288, least_rows=256),
    "MinMaxScaler": Cost(130, 0.037, 65, 0.48),
    "MaxAbsScaler": Cost(110, 0.014, 35, 0.52),
    "Birch": Cost(600, 0.12, 7100, 3),
    "LatentDirichletAllocation": Cost(320, 0.17, 230000, 640),
}
