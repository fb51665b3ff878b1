"""What a call of ``partial_fit`` costs, and each row in it: data for "auto".

Written by benchmarks/chunk_size.py, which says how it was measured, not by hand.
Estimators whose own ``fit`` cuts batches are not here: their ``batch_size`` decides.
"""

from skmmap._chunk_size import Cost

# The date and the machine of the last run that wrote here.
MADE = "2026-11-23, Python 3.11.7, numpy 2.4.6, scikit-learn 1.9.1, AMD EPYC, 2 cores"

COSTS = {
    "GaussianNB": Cost(370, 0, 130, 2.5),
    "MultinomialNB": Cost(660, 0, 72, 1.8),
    "ComplementNB": Cost(700, 0.0022, 60, 1.8),
    "BernoulliNB": Cost(690, 0.065, 70, 5.2),
    "CategoricalNB": Cost(620, 32, 89, 36, most_values=131_072, least_rows=4_096),
    "SGDClassifier": Cost(2900, 0, 220, 5),
    "SGDRegressor": Cost(480, 0, 47, 2.8),
    "SGDOneClassSVM": Cost(520, 0.066, 42, 2.1),
    "Perceptron": Cost(2500, 0.31, 170, 5.2),
    "PassiveAggressiveClassifier": Cost(2500, 0.15, 160, 8.7),
    "PassiveAggressiveRegressor": Cost(640, 0, 34, 2.4),
    "MLPClassifier": Cost(2600, 0.93, 2100, 9),
    "MLPRegressor": Cost(620, 0.77, 1100, 14),
    "StandardScaler": Cost(300, 0.097, 57, 4.4),
    "MinMaxScaler": Cost(170, 0.019, 71, 0.5),
    "MaxAbsScaler": Cost(140, 0.029, 34, 0.81),
    "Birch": Cost(720, 3, 8700, 5.6),
    "LatentDirichletAllocation": Cost(320, 0.4, 390000, 850),
}
