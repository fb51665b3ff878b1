"""When epochs end: the rules of scikit-learn's own ``fit``, number by number."""

import warnings
from math import inf, nan
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import state_of
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import (
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skmmap import ChunkedFit
from skmmap.estimators.learning import find_learning
from skmmap.estimators.losses import compute_losses
from skmmap.estimators.stopping_rules import (
    LossRule,
    PerplexityRule,
    Rule,
    ScoreRule,
    StepRule,
)
from skmmap.learn.rule_choice import find_rule
from skmmap.learn.watch import Watch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
NUMBERS = X @ np.arange(4.0) + RNG.normal(size=300)
LABELS = (NUMBERS > 0).astype(int)
SIX = np.tile(np.arange(6), 50)


def rule_of(
    model, *, n_rows=300, sample=None, has_validation=False, is_loop=False
) -> Rule:
    """Return the rule that a fit of the model gets."""
    return find_rule(
        find_learning(model, uses_target=True),
        sample=sample,
        n_rows=n_rows,
        has_validation=has_validation,
        is_loop=is_loop,
    )


def count_epochs(rule, values, estimator=None, *, is_score=False):
    """Return after how many epochs the rule stops, None if it does not."""
    for epoch, value in enumerate(values, start=1):
        loss = None if is_score else np.atleast_1d(np.asarray(value, dtype=float))
        if rule.after_epoch(estimator, loss, value if is_score else nan):
            assert rule.is_met
            return epoch
        assert not rule.is_met
    return None


def smooth(losses, window):
    """The mean of each loss and of those before it, as far as they are watched."""
    starts = [max(0, stop - window) for stop in range(1, len(losses) + 1)]
    return [np.mean(losses[start : i + 1]) for i, start in enumerate(starts)]


def count_of_sgd(values, tol, patience, *, is_score=False):
    """The end of an epoch in ``_sgd_fast``, on the mean loss of the last few."""
    best, count = (-inf, 0) if is_score else (inf, 0)
    values = values if is_score else smooth(values, patience)
    for epoch, value in enumerate(values, start=1):
        stalls = value < best + tol if is_score else value > best - tol
        count = count + 1 if tol > -inf and stalls else 0
        if (value > best) if is_score else (value < best):
            best = value
        if count >= patience:
            return epoch
    return None


def count_of_mlp(values, tol, patience, *, is_score=False):
    """The end of an epoch in ``_multilayer_perceptron``, line by line."""
    best, count = (-inf, 0) if is_score else (inf, 0)
    for epoch, value in enumerate(values, start=1):
        stalls = value < best + tol if is_score else value > best - tol
        count = count + 1 if stalls else 0
        if (value > best) if is_score else (value < best):
            best = value
        if count > patience:
            return epoch
    return None


def draw_runs(n_runs, *, with_nan=True):
    """Yield series that fall, stall and repeat themselves, each with a tolerance."""
    rng = np.random.default_rng(1)
    for _ in range(n_runs):
        falls = np.cumsum(
            rng.choice([0.0, 0.25, -0.25, 0.5], size=40, p=[0.4, 0.2, 0.2, 0.2])
        )
        values = 10 - falls
        if with_nan:
            values[rng.random(40) < rng.choice([0, 0.1, 0.5])] = nan
        yield values, rng.choice([0.0, 0.25, 0.3]), int(rng.integers(1, 5))


# --- Losses --------------------------------------------------------------------------


def test_losses_by_hand():
    """Stalled is what is not below the best by more than the tolerance."""
    assert count_epochs(LossRule(0.1, 2), [1, 0.5, 0.45, 0.45]) == 4
    assert count_epochs(LossRule(0.1, 2), [1, 0.95, 0.84, 0.8, 0.6]) is None
    assert count_epochs(LossRule(0, 2), [1, 1, 1, 1]) is None  # as good is no worse
    assert count_epochs(LossRule(0, 2), [1, 2, 1, 2, 2]) == 5
    assert count_epochs(LossRule(0.1, 1), [1, 1]) == 2
    assert count_epochs(LossRule(0.1, 3), [3, 2, 3, 3, 3]) == 5
    assert count_epochs(LossRule(0.1, 2), [1, nan, nan, nan]) is None
    assert count_epochs(LossRule(0.1, 2), [nan, 1, nan, 1, 1]) == 5


@pytest.mark.parametrize(
    ("make", "count"),
    [(SGDClassifier, count_of_sgd), (MLPClassifier, count_of_mlp)],
)
def test_losses_end_a_run_where_fit_ends(make, count):
    """The multi-layer perceptron waits for an epoch more than SGD."""
    ends = set()
    for losses, tol, patience in draw_runs(500):
        model = make(tol=tol, n_iter_no_change=patience)
        least = rule_of(model).least_epochs
        assert least == patience + (make is MLPClassifier)
        end = count(losses, tol, patience)
        window = patience if make is SGDClassifier else 1
        assert count_epochs(LossRule(tol, least, window), losses, model) == end
        ends.add(end)
    assert None in ends
    assert len(ends) > 10


def test_a_network_is_watched_by_the_losses_it_tells():
    for losses, tol, patience in draw_runs(100):
        model = MLPRegressor(tol=tol, n_iter_no_change=patience)
        end = count_of_mlp(losses, tol, patience)
        assert count_epochs(rule_of(model), losses, model) == end


def test_the_last_problem_that_stalls_ends_a_run():
    """Each would have ended by itself: what it does then is of no interest."""
    runs = [run for run, _, _ in draw_runs(300)]
    n_ended = 0
    for number in range(0, 300, 3):
        problems = runs[number : number + 3]
        ends = [count_of_sgd(run, 0.25, 2) for run in problems]
        rule = LossRule(0.25, 2, window=2)
        expected = None if None in ends else max(ends)
        assert count_epochs(rule, np.transpose(problems), SGDClassifier()) == expected
        n_ended += expected is not None
    assert n_ended > 10


@pytest.mark.parametrize("model", [SGDClassifier, SGDRegressor, MLPClassifier])
def test_without_a_tolerance_losses_end_nothing(model):
    for tol in (None, -inf):
        rule = rule_of(model(tol=tol))
        assert type(rule) is Rule
        assert rule.least_epochs == 0
        assert count_epochs(rule, [1] * 50, model()) is None
    assert type(rule_of(model(n_iter_no_change=inf))) is Rule


def test_an_epoch_without_a_loss_counts_for_nothing():
    rule = LossRule(0.1, 2)
    for loss in ([1], None, [1], None):
        given = None if loss is None else np.array(loss, dtype=float)
        assert not rule.after_epoch(None, given, nan)
    assert rule.after_epoch(None, np.array([1.0]), nan)


def test_estimators_of_one_epoch_stop_never():
    for model in (GaussianNB(), MultiOutputClassifier(GaussianNB())):
        rule = rule_of(model)
        assert type(rule) is Rule
        assert not rule.after_chunk(model, 10)
        assert not rule.after_epoch(model, np.array([1.0]), 1.0)
        assert rule.choose(model) is model
        assert not rule.is_met


# --- "adaptive" learning rates -------------------------------------------------------


def test_adaptive_rates_are_divided_until_they_are_small():
    """As in ``_sgd_fast``: by 5, each time that losses stall, until 1e-6."""
    for losses, tol, patience in draw_runs(100):
        losses = np.concatenate([losses, np.repeat(losses[-1] + 1, 60)])
        model = SGDRegressor(learning_rate="adaptive", eta0=1e-3)
        eta, best, count, etas = 1e-3, inf, 0, []
        for loss in losses:
            count = count + 1 if loss > best - tol else 0
            best = loss if loss < best else best
            if count >= patience:
                if eta <= 1e-6:
                    break
                eta, count = eta / 5, 0
            etas.append(eta)
        rule, seen = LossRule(tol, patience), []
        for loss in losses:
            if rule.after_epoch(model, np.array([loss]), nan):
                break
            seen.append(model.eta0)
        assert seen == etas
        assert rule.is_met == (len(etas) < len(losses))
        assert model.eta0 <= 1e-6 or not rule.is_met


def test_adaptive_rates_of_all_members_are_divided():
    """After the last of them has stalled."""
    multi = MultiOutputRegressor(SGDRegressor(learning_rate="adaptive", eta0=1e-5))
    multi.partial_fit(X, np.column_stack([NUMBERS, -NUMBERS]))
    rule = LossRule(0.1, 2)
    etas = []
    for losses in ([1, 3], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2]):
        etas.append([member.eta0 for member in multi.estimators_])
        if rule.after_epoch(multi, np.array(losses, dtype=float), nan):
            break
    small, smaller = 1e-5 / 5, 1e-5 / 5 / 5
    expected = 4 * [1e-5] + 2 * [small] + 2 * [smaller]
    assert etas == [[eta, eta] for eta in expected]
    assert rule.is_met


def test_the_loop_keeps_rates_and_is_not_stopped_where_they_would_change():
    model = SGDClassifier(learning_rate="adaptive")
    assert type(rule_of(model, is_loop=True)) is Rule
    rule = rule_of(model, is_loop=True, has_validation=True)  # keeps the best one
    assert count_epochs(rule, [0.5] * 20, model, is_score=True) is None
    constant = rule_of(SGDClassifier(), is_loop=True)
    assert type(constant) is type(rule_of(SGDClassifier()))


def test_rates_that_are_not_adaptive_are_left_alone():
    third_party = SimpleNamespace(learning_rate="adaptive", eta0=1.0)
    adam = MLPClassifier((2,), learning_rate="adaptive")
    adam.partial_fit(X, LABELS, classes=[0, 1])
    models = third_party, adam, SGDRegressor(eta0=1.0), SGDClassifier(eta0=1.0)
    for model in models:
        assert count_epochs(LossRule(0.1, 2), [1, 1, 1, 1], model) == 3
        assert getattr(model, "eta0", 1.0) == 1.0


def test_scores_reduce_adaptive_rates_too():
    model = SGDClassifier(learning_rate="adaptive", eta0=3e-6)
    assert count_epochs(ScoreRule(0.0, 1), [1, 0, 0, 0], model, is_score=True) == 3
    assert model.eta0 == 3e-6 / 5


# --- Scores --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "count"),
    [(SGDClassifier, count_of_sgd), (MLPClassifier, count_of_mlp)],
)
def test_scores_end_a_run_where_fit_ends(make, count):
    ends = set()
    for losses, tol, patience in draw_runs(500, with_nan=False):
        model = make(tol=tol, n_iter_no_change=patience, early_stopping=True)
        rule = rule_of(model, has_validation=True)
        assert rule.least_epochs == patience + (make is MLPClassifier)
        end = count(-losses, tol, patience, is_score=True)
        assert count_epochs(rule, -losses, GaussianNB(), is_score=True) == end
        ends.add(end)
    assert None in ends
    assert len(ends) > 10


def test_scores_of_nan_end_a_run_where_fit_ends():
    for losses, tol, patience in draw_runs(200):
        end = count_of_sgd(-losses, tol, patience, is_score=True)
        rule = ScoreRule(tol, patience)
        assert count_epochs(rule, -losses, GaussianNB(), is_score=True) == end


def test_a_first_score_of_nan_is_not_kept():
    rule, number = ScoreRule(0.0, 5), 0
    for number, score in enumerate((nan, 0.5, 0.9, 0.7)):
        rule.after_epoch(SimpleNamespace(number=number), None, score)
    assert rule.choose(None).number == 2


def test_the_best_estimator_is_kept_as_it_was():
    """A copy: what is learned afterwards is not in it. Of equals, the first."""
    model = SGDClassifier(random_state=0)
    rule, states = rule_of(model, has_validation=True), []
    for score in (0.5, 0.8, 0.6, 0.8, 0.7):
        model.partial_fit(X, LABELS, [0, 1])
        states.append(state_of(model))
        rule.after_epoch(model, None, score)
    kept = rule.choose(model)
    assert kept is not model
    assert state_of(kept) == states[1] != states[-1]
    assert rule_of(model, has_validation=True).choose(model) is model


def test_without_a_tolerance_scores_only_choose():
    for model in (SGDClassifier(tol=None), SGDClassifier(tol=-inf)):
        rule = rule_of(model, has_validation=True)
        models = [SimpleNamespace(number=number) for number in range(30)]
        for estimator, score in zip(models, [0.1, 0.9, *28 * [0.2]], strict=True):
            assert not rule.after_epoch(estimator, None, score)
        assert rule.choose(models[-1]).number == 1


def test_what_cannot_stop_does_not_warn_that_it_has_not():
    """Neither does the ``fit`` of SGDClassifier."""
    model = SGDClassifier(tol=None, early_stopping=True, max_iter=10, random_state=0)
    clone(model).fit(X, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        ChunkedFit(model, chunk_size=100).fit(X, LABELS)


# --- Steps ---------------------------------------------------------------------------


def drive_k_means(model, inertias, centers):
    """Return after how many steps the ``fit`` of MiniBatchKMeans ends."""
    model._check_params_vs_input(X)
    model._ewa_inertia = model._ewa_inertia_min = None
    model._no_improvement = 0
    before = np.zeros_like(centers[0])
    for step, (inertia, now) in enumerate(zip(inertias, centers, strict=True)):
        moved = np.sum((now - before) ** 2)
        if model._mini_batch_convergence(step, 99, len(X), moved, inertia):
            return step + 1
        before = now
    return None


def drive_steps(rule, n_rows, **attributes):
    """Return after how many chunks the rule stops; they have values of attributes."""
    names = list(attributes)
    for number, values in enumerate(zip(*attributes.values(), strict=True), start=1):
        if rule.after_chunk(
            SimpleNamespace(**dict(zip(names, values, strict=True))), n_rows
        ):
            assert rule.is_met
            return number
        assert not rule.is_met
    return None


def draw_steps(rng, n_steps=60):
    """Return inertias that fall and then do not, and centers that settle."""
    inertias = 40 * (rng.random(n_steps) + np.exp(-np.arange(n_steps) / 10))
    moves = (
        rng.normal(size=(n_steps, 3, 4))
        * np.exp(-np.arange(n_steps) / 15)[:, None, None]
    )
    return inertias, np.cumsum(moves, axis=0)


@pytest.mark.parametrize("tol", [0.0, 0.5, 0.02])
@pytest.mark.parametrize("max_no_improvement", [None, 0, 1, 5, 10])
def test_k_means_ends_where_fit_ends(tol, max_no_improvement):
    """The tolerance is one of variances, and the inertia is smoothed, as there."""
    rng, ends = np.random.default_rng(0), set()
    for _ in range(40):
        model = MiniBatchKMeans(
            3, tol=tol, max_no_improvement=max_no_improvement, batch_size=40
        )
        inertias, centers = draw_steps(rng)
        rule = rule_of(model, sample=lambda: (X, None))
        assert isinstance(rule, StepRule)
        end = drive_k_means(clone(model), inertias, centers)
        found = drive_steps(rule, 40, inertia_=inertias, cluster_centers_=centers)
        assert found == end
        ends.add(end)
    if (tol, max_no_improvement) == (0, None):
        assert ends == {None}
    elif max_no_improvement == 0:
        assert ends == {2}
    else:
        assert len(ends) > 2


def test_batches_of_all_rows_are_no_larger_than_that():
    rng = np.random.default_rng(0)
    model = MiniBatchKMeans(3, max_no_improvement=3)  # whose batches have 1,024 rows
    inertias, centers = draw_steps(rng)
    end = drive_k_means(clone(model), inertias, centers)
    rule = rule_of(model)
    assert drive_steps(rule, 300, inertia_=inertias, cluster_centers_=centers) == end


@pytest.mark.parametrize("tol", [0.0, 0.1])
def test_small_chunks_make_a_step_together(tol):
    """Their inertias add up, and the last of their centers counts."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        inertias, centers = draw_steps(rng)
        model = MiniBatchKMeans(3, tol=tol, max_no_improvement=4, batch_size=40)
        end = drive_k_means(clone(model), inertias, centers)
        shares = rng.dirichlet(np.ones(4), size=60)
        parts = (shares * inertias[:, None]).ravel()
        moved = centers.repeat(4, axis=0)
        moved[np.arange(240) % 4 != 3] += rng.normal(size=(180, 3, 4))
        rule = rule_of(model, sample=lambda: (X, None))
        found = drive_steps(rule, 10, inertia_=parts, cluster_centers_=moved)
        assert found == 4 * end


def test_chunks_that_do_not_make_a_batch_make_a_larger_one():
    """Of 25 rows, two make a step of 50 where a batch has 40."""
    rng = np.random.default_rng(0)
    inertias, centers = draw_steps(rng)
    model = MiniBatchKMeans(3, tol=0, max_no_improvement=4)
    end = drive_k_means(clone(model).set_params(batch_size=50), inertias, centers)
    rule = rule_of(model.set_params(batch_size=40))
    halves, twice = inertias.repeat(2) / 2, centers.repeat(2, axis=0)
    found = drive_steps(rule, 25, inertia_=halves, cluster_centers_=twice)
    assert found == 2 * end


def test_k_means_without_labels_has_steps_without_inertia():
    """Then only the tolerance can end a run, and the end of an epoch never does."""
    still = np.ones((20, 3, 4))
    rule = rule_of(MiniBatchKMeans(3, tol=0.1, batch_size=40), sample=lambda: (X, None))
    assert drive_steps(rule, 40, cluster_centers_=still) == 2
    rule = rule_of(MiniBatchKMeans(3, tol=0, batch_size=40))
    assert drive_steps(rule, 40, cluster_centers_=still) is None
    assert count_epochs(rule, 50 * [1.0], MiniBatchKMeans()) is None


def test_the_tolerance_of_k_means_is_one_of_variances():
    """Sparse rows too; and no row is read where there is no tolerance."""
    from scipy import sparse

    wide = 7 * X + 3
    for rows in (wide, sparse.csr_array(wide)):
        limit = 0.1 * np.var(wide, axis=0).mean()
        for factor, end in ((0.99, 2), (1.01, None)):
            centers = np.zeros((2, 3, 4))
            centers[1, 0, 0] = np.sqrt(limit * factor)
            rule = rule_of(
                MiniBatchKMeans(3, tol=0.1, batch_size=40),
                sample=lambda rows=rows: (rows, None),
            )
            found = drive_steps(rule, 40, inertia_=[1, 1], cluster_centers_=centers)
            assert found == end
    rule_of(MiniBatchKMeans(3, tol=0.0), sample=None)


def drive_factors(model, components, rows):
    """Return after how many steps ``fit`` ends, by what the components do."""
    check = getattr(model, "_minibatch_convergence", None) or model._check_convergence
    model._ewa_cost = model._ewa_cost_min = None
    model._no_improvement, model._n_components = 0, len(components[0])
    before = np.ones_like(components[0])
    for step, now in enumerate(components):
        if check(rows, 1.0, now, before, len(X), step, 99):
            return step + 1
        before = now
    return None


@pytest.mark.parametrize("tol", [0.0, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("make", [MiniBatchNMF, MiniBatchDictionaryLearning])
def test_factors_end_where_fit_ends(make, tol):
    """Steps relative to the components, or to their number; early ones are left out."""
    rng, ends = np.random.default_rng(0), set()
    for number in range(40):
        batch = (3, 40, 1_000)[number % 3]  # of which the first 100, 7 or 1 are ignored
        model = make(3, tol=tol, max_no_improvement=None, batch_size=batch)
        _, components = draw_steps(rng, 140)
        rows = min(batch, len(X))
        end = drive_factors(clone(model), components, X[:rows])
        found = drive_steps(rule_of(model), rows, components_=components)
        assert found == end
        ends.add(end)
    assert (ends == {None}) == (tol == 0)
    assert len(ends) > 2 or tol == 0 or (make, tol) == (MiniBatchNMF, 1.0)


@pytest.mark.parametrize("make", [MiniBatchNMF, MiniBatchDictionaryLearning])
def test_an_epoch_of_factors_counts_for_its_steps(make):
    """An epoch of 30 batches that is no better stalls for 30 steps."""
    model = make(3, tol=0.0, batch_size=10, max_no_improvement=61)
    assert count_epochs(rule_of(model), [3, 2, 2, 2]) is None
    assert count_epochs(rule_of(model), [3, 2, 2, 2, 2]) == 5
    assert count_epochs(rule_of(model), [3, 2, 2, 2, 1.9, 2, 2]) is None
    assert count_epochs(rule_of(model), [3, 2, nan, 2, nan]) == 5
    model.set_params(max_no_improvement=60)
    assert count_epochs(rule_of(model), [3, 2, 2, 2, 2]) == 4
    model.set_params(max_no_improvement=None)
    assert count_epochs(rule_of(model), [3] * 50) is None
    assert not rule_of(model).after_epoch(model, None, nan)


def test_components_that_are_changed_in_place_are_compared_all_the_same():
    components = np.ones((3, 4))
    model = SimpleNamespace(components_=components)
    rule = rule_of(MiniBatchNMF(3, tol=0.01, batch_size=40))
    for _ in range(5):
        components *= 1.1
        assert not rule.after_chunk(model, 40)
    assert rule.after_chunk(model, 40)


# --- Perplexity ----------------------------------------------------------------------


def count_of_topics(bounds, every, tol):
    """The end of an epoch in ``LatentDirichletAllocation.fit``, line by line."""
    last = None
    for epoch, bound in enumerate(bounds, start=1):
        if every > 0 and epoch % every == 0:
            if last and abs(last - bound) < tol:
                return epoch
            last = bound
    return None


@pytest.mark.parametrize("every", [-1, 0, 1, 2, 3])
def test_perplexity_ends_a_run_where_fit_ends(every):
    """It is computed in those epochs only in which ``fit`` computes it."""
    rng, ends = np.random.default_rng(0), set()
    for _ in range(50):
        bounds = np.cumsum(rng.normal(size=30)) + 50
        model = LatentDirichletAllocation(evaluate_every=every, perp_tol=0.1)
        asked = []

        def perplexity(epoch, asked=asked, bounds=bounds):
            asked.append(epoch)
            return bounds[epoch]

        states = [
            SimpleNamespace(perplexity=lambda X, n=n, f=perplexity: f(n))
            for n in range(30)
        ]
        rule = rule_of(model, sample=lambda: (X, None))
        end = next(
            (n + 1 for n in range(30) if rule.after_epoch(states[n], None, nan)), None
        )
        assert end == count_of_topics(bounds, every, 0.1)
        assert rule.is_met == (end is not None)
        last = end or 30
        assert asked == (list(range(every - 1, last, every)) if every > 0 else [])
        ends.add(end)
    assert (ends == {None}) == (every <= 0)


def test_the_perplexity_is_that_of_the_sample():
    counts = np.random.default_rng(0).integers(0, 5, (30, 6))
    model = LatentDirichletAllocation(3, random_state=0, evaluate_every=1, perp_tol=1e9)
    model.partial_fit(counts)
    rule = rule_of(model, sample=lambda: (counts[:10], None))
    assert isinstance(rule, PerplexityRule)
    assert not rule.after_epoch(model, None, nan)
    assert rule._last == model.perplexity(counts[:10])
    assert rule.after_epoch(model, None, nan)


# --- Watching ------------------------------------------------------------------------


def test_an_epoch_is_looked_at_so_many_times():
    """No more often than there are chunks, and the last time at its end."""
    model = SGDRegressor(random_state=0).partial_fit(X, NUMBERS)
    for n_chunks in (*range(1, 12), 16, 29):
        for times in (1, 2, 3, 5, 8):
            asked, done = [], 0

            def sample(asked=asked):
                asked.append(done)  # noqa: B023
                return X[:9], NUMBERS[:9]

            watch = Watch(sample, times)
            for _ in range(2):
                watch.begin_epoch(10 * n_chunks)
                for chunk in range(n_chunks):
                    done = chunk + 1
                    watch.after_chunk(model, 10)
            once = asked[: len(asked) // 2]
            assert asked == 2 * once
            assert len(once) == min(times, n_chunks)
            assert once[-1] == n_chunks
            gaps = np.diff([0, *once])
            assert gaps.max() <= -(-n_chunks // min(times, n_chunks))


def test_what_is_computed_is_averaged_and_begins_anew_each_epoch():
    watch, losses = Watch(lambda: (X, NUMBERS), 4), []
    model = SGDRegressor(random_state=0)
    for _ in range(2):
        watch.begin_epoch(300)
        assert watch.loss is None
        losses.clear()
        for rows in np.split(np.arange(300), 4):
            model.partial_fit(X[rows], NUMBERS[rows])
            watch.after_chunk(model, 75)
            losses.append(compute_losses(model, X, NUMBERS))
            np.testing.assert_allclose(watch.loss, np.mean(losses, axis=0), rtol=1e-12)


def test_what_is_told_is_averaged_over_rows():
    """And nothing is computed, whatever ``times`` says."""
    watch = Watch(None, 8)
    watch.begin_epoch(100)
    told = MLPRegressor()
    for told.loss_, n_rows in ((1.0, 10), (4.0, 30), (0.5, 60)):
        watch.after_chunk(told, n_rows)
    np.testing.assert_allclose(watch.loss, [(10 + 120 + 30) / 100])


def test_nothing_is_computed_of_what_has_no_loss_or_not_asked_for():
    for model, times in ((GaussianNB(), 8), (SGDRegressor(), 0)):
        watch = Watch(None, times)
        watch.begin_epoch(10)
        watch.after_chunk(model, 10)
        assert watch.loss is None


def test_rows_that_cannot_be_used_have_no_loss():
    """Nor has an estimator that has not learned; other errors are not hidden."""
    trained = SGDRegressor().partial_fit(X, NUMBERS)
    rows = np.where(np.arange(4) == 1, nan, X)
    for model, given in ((trained, rows), (SGDRegressor(), X)):
        watch = Watch(lambda given=given: (given, NUMBERS), 1)
        watch.begin_epoch(10)
        watch.after_chunk(model, 10)
        assert watch.loss is None
    with pytest.raises(NotFittedError, match="not fitted yet"):
        compute_losses(SGDRegressor(), X, NUMBERS)
    broken = Watch(lambda: 1 / 0, 1)
    broken.begin_epoch(10)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        broken.after_chunk(trained, 10)


def test_problems_that_appear_on_the_way_begin_anew():
    watch = Watch()
    watch.begin_epoch(100)
    watch._add(np.array([5.0, 5.0]), 50)
    watch._add(np.array([1.0, 2.0, 3.0]), 50)
    np.testing.assert_array_equal(watch.loss, [1, 2, 3])


# --- Whole fits ----------------------------------------------------------------------


def networks() -> list:
    made = []
    for make in (MLPClassifier, MLPRegressor):
        for solver, rate in (
            ("adam", "constant"),
            ("sgd", "constant"),
            ("sgd", "invscaling"),
            ("sgd", "adaptive"),
        ):
            made.append(
                make(
                    hidden_layer_sizes=(4,),
                    solver=solver,
                    learning_rate=rate,
                    learning_rate_init=0.05,
                    n_iter_no_change=3,
                    tol=1e-3,
                    max_iter=300,
                    shuffle=False,
                    random_state=0,
                )
            )
    return made


@pytest.mark.parametrize("model", networks(), ids=repr)
def test_a_network_learns_in_one_chunk_what_fit_learns(model):
    """Bit for bit, in as many epochs, with as many reductions of its rate."""
    target = LABELS if isinstance(model, MLPClassifier) else NUMBERS
    by_fit = clone(model).fit(X, target)
    for chunk_size in (300, 1_000):
        wrapper = ChunkedFit(model, chunk_size=chunk_size).fit(X, target)
        assert 3 < wrapper.n_epochs_ == by_fit.n_iter_ < 300
        assert wrapper.estimator_.loss_curve_ == by_fit.loss_curve_
        np.testing.assert_allclose(
            wrapper.history_["loss"], by_fit.loss_curve_, rtol=1e-15
        )
        for name in ("coefs_", "intercepts_"):
            assert state_of(getattr(wrapper, name)) == state_of(getattr(by_fit, name))
        optimizers = wrapper.estimator_._optimizer, by_fit._optimizer
        assert optimizers[0].learning_rate == optimizers[1].learning_rate
        assert wrapper.estimator_.get_params() == model.get_params()


def test_a_network_stops_in_single_precision():
    model = networks()[4]
    rows, target = X.astype(np.float32), NUMBERS.astype(np.float32)
    n_iter = clone(model).fit(rows, target).n_iter_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        wrapper = ChunkedFit(model, chunk_size=300).fit(rows, target)
    assert wrapper.n_epochs_ == n_iter


def test_a_network_of_several_outputs_stops_as_each_by_itself():
    """At the last of them."""
    model = networks()[0]
    targets = np.column_stack([LABELS, X[:, 1] > 0.3]).astype(int)
    n_iters = [clone(model).fit(X, column).n_iter_ for column in targets.T]
    wrapper = ChunkedFit(MultiOutputClassifier(model), chunk_size=300).fit(X, targets)
    assert wrapper.n_epochs_ == max(n_iters) > min(n_iters)


@pytest.mark.parametrize("rate", ["optimal", "constant", "invscaling"])
@pytest.mark.parametrize("make", [SGDClassifier, SGDRegressor])
def test_sgd_learns_in_one_chunk_what_fit_learns(make, rate):
    """In as many epochs, whose number follows from a loss of rows at rest."""
    model = make(learning_rate=rate, eta0=0.01, alpha=0.1, shuffle=False)
    model.set_params(random_state=0)
    target = LABELS if make is SGDClassifier else NUMBERS
    wrapper = ChunkedFit(model, chunk_size=300).fit(X, target)
    assert 1 < wrapper.n_epochs_ < 1_000
    given = {"max_iter": wrapper.n_epochs_, "tol": None}
    by_fit = clone(model).set_params(**given).fit(X, target)
    np.testing.assert_allclose(wrapper.coef_, by_fit.coef_, rtol=1e-9)
    np.testing.assert_allclose(wrapper.intercept_, by_fit.intercept_, rtol=1e-9)
    assert wrapper.n_epochs_ == count_epochs(rule_of(model), wrapper.history_["loss"])


def test_adaptive_sgd_learns_what_the_loop_by_hand_learns():
    """With a rate that it divides by 5 where losses stall; parameters are restored."""
    model = SGDRegressor(learning_rate="adaptive", eta0=0.05, tol=1e-3, random_state=0)
    model.set_params(shuffle=False)
    wrapper = ChunkedFit(model, chunk_size=100).fit(X, NUMBERS)
    by_hand, rule, etas = clone(model), rule_of(model), set()
    for loss in wrapper.history_["loss"]:
        assert not rule.is_met
        etas.add(by_hand.eta0)
        for rows in np.split(np.arange(300), 3):
            by_hand.partial_fit(X[rows], NUMBERS[rows])
        rule.after_epoch(by_hand, np.array([loss]), nan)
    assert rule.is_met
    assert by_hand.eta0 == min(etas) <= 1e-6
    assert len(etas) == 8  # 0.05, and divided by 5 until it is below that
    assert state_of(wrapper.coef_) == state_of(by_hand.coef_)
    assert wrapper.n_epochs_ > 7 * 5
    assert model.eta0 == wrapper.estimator_.eta0 == 0.05


def test_parameters_of_members_are_restored():
    targets = np.column_stack([LABELS, 1 - LABELS])
    sgd = SGDClassifier(
        learning_rate="adaptive", eta0=0.01, early_stopping=True, random_state=0
    )
    sgd.set_params(n_iter_no_change=1)
    network = networks()[3].set_params(early_stopping=True, n_iter_no_change=1)
    for inner in (sgd, network):
        wrapper = ChunkedFit(MultiOutputClassifier(inner), chunk_size=100, max_epochs=9)
        given = wrapper.get_params()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            wrapper.fit(X, targets, X_val=X, y_val=targets)
        assert wrapper.get_params() == given
        expected = inner.get_params()
        assert wrapper.estimator_.estimator.get_params() == expected
        for member in wrapper.estimator_.estimators_:
            assert member.get_params() == expected


def test_parameters_inside_of_nested_meta_estimators_are_restored():
    inner = SGDClassifier(early_stopping=True, random_state=0)
    nested = MultiOutputClassifier(OneVsRestClassifier(inner))
    targets = np.column_stack([LABELS, SIX])
    wrapper = ChunkedFit(nested, chunk_size=100, max_epochs=2)
    wrapper.fit(X, targets, X_val=X, y_val=targets)
    for member in wrapper.estimator_.estimators_:
        assert member.estimator.get_params() == inner.get_params()


def test_k_means_ends_where_its_rule_says():
    """After a chunk, in the middle of an epoch; its history has the rows of it."""
    rows = np.concatenate([X + 20, X - 20, X])
    model = MiniBatchKMeans(
        3,
        batch_size=60,
        max_no_improvement=3,
        random_state=0,
        init=rows[::300],
        n_init=1,
    )
    wrapper = ChunkedFit(model, shuffle=False).fit(rows)
    assert wrapper.chunk_size_ == 60
    by_hand, rule = clone(model), rule_of(model, n_rows=900)
    for step in range(900):
        chunk = rows[60 * (step % 15) : 60 * (step % 15) + 60]
        if rule.after_chunk(by_hand.partial_fit(chunk), 60):
            break
    assert sum(wrapper.history_["rows"]) == 60 * (step + 1)
    assert wrapper.n_epochs_ == step // 15 + 1
    assert state_of(wrapper.cluster_centers_) == state_of(by_hand.cluster_centers_)


@pytest.mark.parametrize(
    "model",
    [
        MiniBatchKMeans(3, tol="a"),
        MiniBatchKMeans(3, n_init=0),
        MiniBatchKMeans(3, n_init="a"),
        MiniBatchNMF(3, batch_size="a"),
        MiniBatchDictionaryLearning(3, batch_size=0),
        SGDClassifier(n_iter_no_change="a"),
        MLPClassifier(n_iter_no_change="a"),
        MLPClassifier(n_iter_no_change=-3),
    ],
    ids=repr,
)
def test_bad_parameters_are_refused_by_the_estimator(model):
    with pytest.raises(ValueError, match=r"The '\w+' parameter of \w+ must be "):
        ChunkedFit(model, chunk_size=100, max_epochs=2).fit(np.abs(X), LABELS)
