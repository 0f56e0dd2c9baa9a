"""Folds in one batch: each replica trains as in a fit of its own that leaves the fold's datasets out."""

import numpy as np
import pytest

from nnpdf_lite.data import covariance
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.fold_training import FoldTrainer
from nnpdf_lite.fit.folds import KFolding, folded_replicas, prepare_folds, replica_number
from nnpdf_lite.fit.preparation import prepare
from nnpdf_lite.fit.problem import build_problem, load_data
from nnpdf_lite.fit.training import Trainer
from nnpdf_lite.hyperopt.partitions import balanced_partitions, fold_counts
from nnpdf_lite.runcard import load_runcard, parse_runcard
from nnpdf_lite.theory import load_theory

SETS = ("SLAC_NC_NOTFIXED_P_EM-F2", "NMC_NC_NOTFIXED_EM-F2", "HERA_NC_318GEV_EAVG_CHARM-SIGMARED")
REPLICAS = 2


@pytest.fixture
def double_card(small_card):
    """The small card in double precision, for comparisons without rounding."""
    small_card["double_precision"] = True
    small_card["parameters"]["epochs"] = 200
    small_card["operator_tolerance"] = 1e-5  # folds compress the theory of all data, a fit that of its own
    return small_card


def fold_trainer(mapping, left_out=tuple((name,) for name in SETS)):
    card = parse_runcard(mapping)
    folding = KFolding(prepare_folds(build_problem(card), card, left_out))
    folded = folded_replicas(folding, card, REPLICAS, np.float64 if card.double_precision else np.float32)
    return FoldTrainer(folding, folded, card, REPLICAS)


def block(trainer, numbers):
    """chi2 per point of training and validation after the first block of epochs."""
    state = trainer.advance(trainer.initial_state(numbers))
    return np.stack([state["training"], state["validation"]], axis=1)


@pytest.mark.parametrize("fold", range(3), ids=SETS)
def test_a_fold_trains_as_a_fit_without_its_datasets(double_card, fold):
    # The same replicas, once in a batch with two other folds, once in a fit with left_out: the same pseudo-data, masks and
    # networks, so the same chi2 after 100 epochs but for rounding, which they amplify.
    numbers = [replica_number(fold, r, REPLICAS) for r in range(REPLICAS)]
    together = fold_trainer(double_card)
    found = block(together.trainer, together.numbers)[fold * REPLICAS : (fold + 1) * REPLICAS]
    card = parse_runcard(double_card | {"left_out": {"datasets": [SETS[fold]]}})
    alone = Trainer(prepare(build_problem(card), card, numbers))
    np.testing.assert_allclose(found, block(alone, numbers), rtol=1e-5)


def test_predictions_and_chi2_of_a_fold_are_those_of_the_tables(double_card):
    card = parse_runcard(double_card)
    problem = build_problem(card)
    trainer = fold_trainer(double_card)
    replicas = trainer.train(lambda epoch, found: None, ())
    covmat = covariance(problem.datasets, problem.t0_predictions, use_weights=True)
    for k, fold in enumerate(trainer.folding.problem.folds):
        z, nonlinear = replicas.z[k], replicas.nonlinear[k]
        everything = np.concatenate([z @ trainer.folding.problem.predictions.T, nonlinear], axis=1)
        x = trainer.trainer.task.operator.x[: trainer.trainer.task.operator.n_fk]
        f = trainer.trainer.model(replicas.parameters[k], x)

        def on_nodes(wanted, f=f, x=x):
            out = np.zeros((len(f), len(wanted), 14))
            inside = wanted < 1
            out[:, inside] = f[:, np.abs(np.log(x[None] / wanted[inside, None])).argmin(axis=1)]
            return out

        from nnpdf_lite.theory import predict

        exact = predict(problem.theories, on_nodes)
        sigma = np.sqrt(np.diag(covmat))
        # The compressed theory may err by operator_tolerance, 1e-3 of an error, the sum rules by 1e-6.
        np.testing.assert_allclose(everything / sigma, exact / sigma, rtol=1e-4, atol=1e-3)
        difference = (exact - problem.central)[:, fold.kept]
        chi2 = [d @ np.linalg.solve(covmat[np.ix_(fold.kept, fold.kept)], d) / len(d) for d in difference]
        np.testing.assert_allclose(fold.chi2(z, nonlinear), chi2, rtol=1e-3)


def test_overlapping_information_is_never_more_than_all_of_it(small_problem, small_card):
    # Singular values of E_k lie between 0 and 1: what makes single precision enough.
    card = parse_runcard(small_card)
    folding = KFolding(prepare_folds(small_problem, card, [[name] for name in SETS]))
    for whole in folding.whole:
        values = np.linalg.eigvalsh(whole)
        assert values[0] > -1e-9 and values[-1] < 1 + 1e-9


def test_a_replica_of_a_fold_is_the_same_with_other_folds_beside_it(small_card):
    three, two = (fold_trainer(small_card, folds) for folds in ([SETS[:1], SETS[1:2], SETS[2:]], [SETS[:1], SETS[1:2]]))
    first, second = (block(trainer.trainer, trainer.numbers)[: 2 * REPLICAS] for trainer in (three, two))
    np.testing.assert_allclose(first, second, rtol=1e-2)  # single precision: products of other shapes round differently


def test_default_folds_of_the_dis_data_are_alike_and_those_of_the_shipped_scan():
    card = load_runcard("dis_nnlo_hyperopt")
    datasets = load_data(card, load_theory(card.theory.theoryid))
    folds = balanced_partitions(datasets, 4)
    assert folds == card.kfold.partitions
    assert sorted(name for fold in folds for name in fold.datasets) == sorted(d.name for d in datasets)
    counts = fold_counts(folds, datasets).set_index("class")
    for row in ("points", "process DIS_NC", "process DIS_CC", "x below 0.001", "x above 0.3", "Q2 10 to 30"):
        assert (counts.loc[row] > 0).all(), f"a fold has no {row}"
    assert counts.loc["points"].max() < 1.5 * counts.loc["points"].min()


def test_default_folds_do_not_depend_on_the_order_of_the_datasets():
    card = load_runcard("dis_nnlo")
    datasets = load_data(card, load_theory(card.theory.theoryid))
    assert balanced_partitions(datasets, 3) == balanced_partitions(datasets[::-1], 3)


def test_more_folds_than_datasets_are_refused(small_problem):
    with pytest.raises(InputError, match=r"kfold\.folds: 4 folds of 3 datasets"):
        balanced_partitions(small_problem.datasets, 4)
