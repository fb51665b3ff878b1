"""What a call of ``partial_fit`` costs, and each row in it: data for "auto".

Written by benchmarks/chunk_size.py, which says how it was measured, not by hand.
Estimators whose own ``fit`` cuts batches are not here: their ``batch_size`` decides.
"""

from skmmap._chunk_size import Cost

# The date and the machine of the last run that wrote here.
MADE = (
    "2026-11-23, Python 3.11.7, numpy 2.4.6"
    ", scikit-learn 1.9.1, AMD EPYC, 2 cores"
)

COSTS = {
    "GaussianNB": Cost(370, 0, 130, 2.5),
    "MultinomialNB": Cost(660, 0, 72, 1.8),
    "ComplementNB": Cost(700, 0.0022, 60, 1.8),
    "BernoulliNB": Cost(690, 0.065, 70, 5.2),
    "CategoricalNB": Cost(620, 32, 89, 36, most_values=131_072, least_rows=4_096),
    "SGDClassifier": Cost(1600, 0, 170, 4.6),
    "SGDRegressor": Cost(350, 0.039, 45, 2.3),
    "SGDOneClassSVM": Cost(320, 0, 39, 1.7),
    "Perceptron": Cost(1700, 0, 120, 4.7),
    "PassiveAggressiveClassifier": Cost(1900, 0.12, 120, 9),
    "PassiveAggressiveRegressor": Cost(370, 0.11, 50, 2.1),
    "MLPClassifier": Cost(1300, 1.1, 1400, 7.5),
    "StandardScaler": Cost(290, 0.017, 54, 4.3, most_values=524_288, least_rows=256),
    "MinMaxScaler": Cost(120, 0.002, 65, 0.44),
    "MaxAbsScaler": Cost(100, 0.0032, 32, 0.54),
    "Birch": Cost(690, 1.9, 7300, 2.6),
    "LatentDirichletAllocation": Cost(460, 0.078, 270000, 740),
}
