"""The loss: chi2 against plain NumPy, its gradient, and a problem solved by hand."""

import numpy as np
import pytest
import tensorflow as tf

from nnpdf_lite.data import pseudodata
from nnpdf_lite.fit.objective import ELU_ALPHA
from nnpdf_lite.fit.operator import build_operator, compress
from nnpdf_lite.fit.preparation import prepare, replica_data, replica_masks, split_chi2
from nnpdf_lite.fit.problem import build_problem
from nnpdf_lite.fit.training import Trainer
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set
from nnpdf_lite.pdf.parametrisation import FIT_BASES, columns_to_evolution
from nnpdf_lite.runcard import parse_runcard
from nnpdf_lite.theory import predict

REPLICAS = [1, 2, 3, 4]
SPLITS = {
    "a mask per replica": {},
    "one mask for all": {"same_trvl_per_replica": True},
    "splits of datasets": {"diagonal_basis": False},
    "one split of datasets": {"diagonal_basis": False, "same_trvl_per_replica": True},
}


def make_trainer(small_card, problem, replicas=REPLICAS, **keys):
    small_card.update({"double_precision": True, "operator_tolerance": 0, **keys})
    return Trainer(prepare(problem, parse_runcard(small_card), replicas))


def pdfs(trainer, state):
    """x f (R, K, X) on the training nodes."""
    return trainer.on_nodes(tf.constant(state["theta"]), trainer.on_nodes.prefactor(tf.constant(state["exponents"])))


def evaluate(trainer, state, epoch=0):
    multipliers = tf.constant(trainer.multipliers(np.full(len(state["replica"]), epoch)))
    return trainer.objective(pdfs(trainer, state), trainer.inputs(state["replica"]), multipliers)


def on_any_nodes(trainer, xf):
    """Return f(x) -> (R, X, 14) that looks nodes up among the training's."""
    nodes, to_evolution = trainer.task.operator.x, columns_to_evolution(trainer.model.basis.columns)

    def f(x):
        out = np.zeros((len(xf), len(x), 14))
        for i, value in enumerate(x):
            if value < 1:
                nearest = np.abs(np.log(nodes / value)).argmin()
                out[:, i] = xf[:, :, nearest] @ to_evolution.T / value
        return out

    return f


@pytest.mark.parametrize("keys", SPLITS.values(), ids=list(SPLITS))
def test_chi2_is_that_of_the_covariance(small_card, small_problem, keys):
    trainer = make_trainer(small_card, small_problem, **keys)
    card, state = trainer.card, trainer.initial_state(REPLICAS)
    loss, xf = evaluate(trainer, state), pdfs(trainer, state).numpy()
    predictions = predict(small_problem.theories, on_any_nodes(trainer, xf))
    data, masks = replica_data(small_problem, card, REPLICAS), replica_masks(small_problem, card, REPLICAS)
    covmat = small_problem.cholesky @ small_problem.cholesky.T
    for r, (residual, mask) in enumerate(zip(predictions - data, masks)):
        found = loss.training.numpy()[r], loss.validation.numpy()[r]
        if card.diagonal_basis:
            squares = np.linalg.solve(small_problem.cholesky, residual) ** 2
            expected = squares[mask].sum(), squares[~mask].sum()
            assert sum(found) == pytest.approx(residual @ np.linalg.solve(covmat, residual), rel=1e-7)
        else:
            expected = [residual[m] @ np.linalg.solve(covmat[np.ix_(m, m)], residual[m]) for m in (mask, ~mask)]
        assert found == pytest.approx(expected, rel=1e-7)
        training, validation, _ = split_chi2(small_problem, card, predictions[r], data[r], mask)
        assert (training, validation) == pytest.approx((found[0] / mask.sum(), found[1] / (~mask).sum()), rel=1e-7)


def test_shared_masks_make_every_replica_split_alike(small_card, small_problem):
    small_card["same_trvl_per_replica"] = True
    masks = replica_masks(small_problem, parse_runcard(small_card), REPLICAS)
    assert (masks == masks[0]).all()


def test_penalties_are_those_of_the_constraint_sets(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem)
    state, epoch = trainer.initial_state(REPLICAS), 200
    loss, f = evaluate(trainer, state, epoch), on_any_nodes(trainer, pdfs(trainer, state).numpy())
    multipliers = trainer.multipliers(np.array([epoch]))[0]
    penalty = 0
    for i, constraint in enumerate(small_problem.positivity):
        values = predict([constraint.theory], f)
        violation = np.where(values < 0, -values, ELU_ALPHA * np.expm1(np.minimum(-values, 0))).sum(axis=1)
        assert loss.violation.numpy()[:, i] == pytest.approx(violation, rel=1e-7, abs=1e-12)
        penalty += multipliers[i] * violation
    for i, constraint in enumerate(small_problem.integrability, start=len(small_problem.positivity)):
        penalty += multipliers[i] * (predict([constraint.theory], f) ** 2).sum(axis=1)
    assert loss.total.numpy() == pytest.approx(loss.training.numpy() + penalty, rel=1e-9)


MODELS = {
    "plain": {},
    "one mask for all, regularised": {
        "same_trvl_per_replica": True,
        "parameters": {"regularizer": "l1_l2", "regularizer_args": {"l1": 0.3, "l2": 0.7}},
    },
    "splits of datasets, trained exponents": {"diagonal_basis": False, "trainable": True},
    "feature scaling per flavour": {"parameters": {"feature_scaling_points": 10, "layer_type": "dense_per_flavour"}},
}  # fmt: skip


@pytest.mark.parametrize("keys", MODELS.values(), ids=list(MODELS))
def test_gradient_of_the_whole_loss_is_that_of_finite_differences(small_card, small_problem, keys):
    keys = dict(keys)
    small_card["parameters"].update(keys.pop("parameters", {}))
    if keys.pop("trainable", False):
        basis = parse_runcard(small_card).fitting.basis
        small_card["fitting"] = {"basis": [{**entry.model_dump(), "trainable": True} for entry in basis]}
    trainer = make_trainer(small_card, small_problem, **keys)
    state = trainer.initial_state(REPLICAS[:2])
    state = {name: values.copy() for name, values in state.items()}
    rng = np.random.default_rng(8)
    state["theta"] += 0.05 * rng.normal(size=state["theta"].shape) * (state["theta"] == 0)  # biases away from zero
    inputs = trainer.inputs(state["replica"])
    multipliers = tf.constant(trainer.multipliers(np.array([100, 200])))
    prefactor = trainer.on_nodes.prefactor(tf.constant(state["exponents"]))

    @tf.function
    def loss(theta):
        return trainer._loss(theta, prefactor, inputs, multipliers, None)[1]

    theta = tf.constant(state["theta"])
    with tf.GradientTape() as tape:
        tape.watch(theta)
        value = loss(theta)
    gradient = tape.gradient(value, theta).numpy()
    assert np.isfinite(gradient).all()
    for _ in range(6):
        direction = rng.normal(size=theta.shape) * (rng.random(theta.shape) < 0.2)
        step = 1e-6
        ahead, behind = (float(loss(theta + sign * step * direction)) for sign in (1, -1))
        assert (ahead - behind) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=2e-5)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_compressing_the_theory_moves_predictions_by_no_more_than_some_tolerances(small_problem, tolerance):
    exact = build_operator(small_problem, FIT_BASES["EVOL"].columns)
    compressed = compress(exact, small_problem, tolerance)
    assert compressed.compression.error <= tolerance
    assert len(compressed.compression.right) < exact.n_data
    nodes = exact.x[: exact.n_fk]
    columns = [EVOLUTION_FLAVOURS.index(name) for name in FIT_BASES["EVOL"].columns]
    f = load_pdf_set("NNPDFLITE_dis_nnlo").evolution_basis(nodes, small_problem.card.q0, 0)
    xf = (nodes[:, None] * f[:, columns]).T.ravel()
    change = compressed.whitened @ (compressed.compression.right @ xf) - exact.whitened @ xf
    sigma = np.linalg.norm(small_problem.cholesky, axis=1)
    # The error is stated for unit length in units of the singlet; a real PDF is some times longer.
    assert (np.abs(small_problem.cholesky @ change) <= 5 * tolerance * sigma).all()


@pytest.mark.parametrize("keys", SPLITS.values(), ids=list(SPLITS))
def test_compression_hardly_changes_the_loss(small_card, small_problem, keys):
    exact = make_trainer(small_card, small_problem, **keys)
    compressed = make_trainer(small_card, small_problem, **keys, operator_tolerance=1e-4)
    state = exact.initial_state(REPLICAS)
    expected, found = evaluate(exact, state), evaluate(compressed, state)
    for name in ("training", "validation", "total"):
        assert getattr(found, name).numpy() == pytest.approx(getattr(expected, name).numpy(), rel=1e-4), name


@pytest.mark.parametrize("kind, l1, l2", [("l1", 0.3, 0.0), ("l2", 0.0, 0.7), ("l1_l2", 0.3, 0.7)])
def test_regularisers_pull_on_kernels_and_leave_biases_alone(small_card, small_problem, kind, l1, l2):
    small_card["parameters"].update(regularizer=kind, regularizer_args={"l1": l1, "l2": l2})
    trainer = make_trainer(small_card, small_problem, [1, 2])
    theta = tf.constant(np.random.default_rng(3).normal(size=(2, trainer.model.network.n_parameters)))
    with tf.GradientTape() as tape:
        tape.watch(theta)
        penalty = trainer._regularisation(theta)
    weights = theta.numpy() * trainer.model.network.is_kernel
    assert float(penalty) == pytest.approx((l1 * np.abs(weights) + l2 * weights**2).sum())
    assert tape.gradient(penalty, theta).numpy() == pytest.approx(l1 * np.sign(weights) + 2 * l2 * weights)


# --- a model linear in its parameters, where everything is known ----------------------------------


@pytest.fixture
def linear_card(small_card):
    """Linear network without sum rules or penalties, exponents fixed, data linear in the PDFs, one mask for all."""
    del small_card["dataset_inputs"][1], small_card["positivity"], small_card["integrability"]
    small_card.pop("added_filter_rules")
    small_card.update(same_trvl_per_replica=True, double_precision=True, diagonal_frac=0.9, operator_tolerance=0)
    small_card["parameters"].update(nodes_per_layer=[8], activation_per_layer=["linear"])
    entries = parse_runcard(small_card).fitting.basis
    small_card["fitting"] = {
        "sum_rules": False,
        "basis": [
            {"fl": e.fl, "smallx": [e.smallx[0], e.smallx[0] + 1e-12], "largex": [e.largex[0], e.largex[0] + 1e-12]}
            for e in entries
        ],
    }
    for entry in small_card["fitting"]["basis"]:
        entry["trainable"] = False
    return small_card


def test_pseudodata_through_the_loss_give_the_posterior_of_a_gaussian_problem(linear_card):
    """Minima over replicas scatter about that of the data with covariance (A^T A)^-1, A the whitened Jacobian."""
    problem = build_problem(parse_runcard(linear_card))
    card = parse_runcard(linear_card)
    replicas = list(range(801))  # 0 is the data
    trainer = Trainer(prepare(problem, card, replicas))
    state = trainer.initial_state(replicas)
    # Whitened training rows of f(theta): column i is the prediction of parameter i alone.
    basis = {k: v[:1].repeat(trainer.model.network.n_parameters, axis=0) for k, v in state.items()}
    basis["theta"] = np.eye(trainer.model.network.n_parameters)
    predictions = predict(problem.theories, on_any_nodes(trainer, pdfs(trainer, basis).numpy()))
    mask = replica_masks(problem, card, [1])[0]
    jacobian = np.linalg.solve(problem.cholesky, predictions.T)[mask]
    # Directions the data determine: elsewhere there is no posterior.
    _, sigma, directions = np.linalg.svd(jacobian, full_matrices=False)
    known = directions[sigma > 1e-3 * sigma[0]]
    assert len(known) >= 5
    # The loss is quadratic, so one Newton step from anywhere, with its own gradient, is at the minimum.
    theta = tf.constant(np.zeros((len(replicas), trainer.model.network.n_parameters)))
    with tf.GradientTape() as tape:
        tape.watch(theta)
        prefactor = trainer.on_nodes.prefactor(tf.constant(state["exponents"]))
        total = trainer._loss(
            theta, prefactor, trainer.inputs(state["replica"]), tf.zeros((len(replicas), 0), tf.float64), None
        )[1]
    gradient = tape.gradient(total, theta).numpy()
    curvature = 2 * (sigma[: len(known)] ** 2)
    minima = -(gradient @ known.T) / curvature  # in the known directions, (R, M)
    whitened = np.linalg.solve(problem.cholesky, problem.central)[mask]
    expected = np.linalg.lstsq(jacobian @ known.T, whitened, rcond=None)[0]
    assert minima[0] == pytest.approx(expected, rel=1e-6)
    pulls = (minima[1:] - minima[0]) * sigma[: len(known)]  # unit normal if the posterior is (A^T A)^-1
    assert np.abs(pulls.mean(axis=0)).max() < 4 / np.sqrt(800)
    assert np.cov(pulls.T) == pytest.approx(np.eye(len(known)), abs=4 * np.sqrt(2 / 800))


def test_training_approaches_the_analytic_minimum_of_a_linear_model(linear_card):
    """Never below it; how near depends on the flattest direction, whose curvature is 1e-9 of the steepest."""
    linear_card["parameters"].update(
        epochs=4000, stopping_patience=1.0, optimizer={"optimizer_name": "Adam", "learning_rate": 0.1, "clipnorm": None}
    )
    problem, card = build_problem(parse_runcard(linear_card)), parse_runcard(linear_card)
    trainer = Trainer(prepare(problem, card, [1, 2]))
    state = trainer.initial_state([1, 2])
    blocks = []
    list(trainer.train(state, blocks.append))
    n = trainer.model.network.n_parameters
    basis = {k: v[:1].repeat(n, axis=0) for k, v in state.items()}
    basis["theta"] = np.eye(n)
    predictions = predict(problem.theories, on_any_nodes(trainer, pdfs(trainer, basis).numpy()))
    mask = replica_masks(problem, card, [1])[0]
    jacobian = np.linalg.solve(problem.cholesky, predictions.T)[mask]
    for r, found in zip((1, 2), blocks[-1].training):
        data = pseudodata(problem.central, problem.cholesky, card.mcseed, r)
        whitened = np.linalg.solve(problem.cholesky, data)[mask]
        solution = np.linalg.lstsq(jacobian, whitened, rcond=None)[0]
        least = np.mean((jacobian @ solution - whitened) ** 2)
        assert least <= found * (1 + 1e-9) and found < 1.25 * least
