"""Levenberg-Marquardt: its Jacobian against differences, a linear problem in one step, and the minimum Nadam finds."""

import copy
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.batch import MAX_ATTEMPTS
from nnpdf_lite.fit.damped_least_squares import DampedLeastSquares
from nnpdf_lite.fit.levenberg_marquardt import STALLED, LevenbergMarquardt
from nnpdf_lite.fit.operator import Observable, Penalty
from nnpdf_lite.fit.preparation import prepare
from nnpdf_lite.fit.problem import build_problem
from nnpdf_lite.fit.training import Trainer
from nnpdf_lite.fit.two_hadrons import BilinearForm
from nnpdf_lite.pdf.jacobian import ModelJacobian
from nnpdf_lite.runcard import parse_runcard

REPLICAS = [1, 2, 3]
#: Parameters of a fit by second-order steps.
STEPS = {
    "optimizer": {"optimizer_name": "LevenbergMarquardt"},
    "epochs": 40,
    "stopping_patience": 1.0,
    "threshold_chi2": 5.0,
}


def make_trainer(card, problem, replicas=REPLICAS, parameters=None, **keys):
    card["parameters"].update(STEPS | (parameters or {}))
    card.update({"double_precision": True, **keys})
    return LevenbergMarquardt(prepare(problem, parse_runcard(card), replicas))


def drawn(trainer, replica, size=0.0):
    """A replica with its parameters (P,) as drawn, or moved at random by ``size``."""
    state = trainer.initial_state([replica])
    theta = state["theta"][0]
    parameters = theta if trainer.model.trains_exponents else np.append(theta, state["exponents"][0])
    noise = np.random.default_rng(replica).normal(size=len(parameters)) * trainer.free
    return trainer._enter(replica), parameters + size * noise


def trained(trainer, replicas=REPLICAS):
    return {r.replica: r for r in trainer.train(trainer.initial_state(replicas), lambda progress: None)}


@pytest.fixture(scope="module")
def trainer(small_problem):
    """In double precision; shared, for it keeps nothing that changes a result."""
    from toy_cards import SMALL_CARD

    return make_trainer(copy.deepcopy(SMALL_CARD), small_problem)


@pytest.fixture(scope="module")
def undisturbed(trainer):
    """The trained replicas, by number, and the state after each step."""
    states = []
    replicas = trainer.train(
        trainer.initial_state(REPLICAS),
        lambda progress: None,
        lambda state: states.append({name: values.copy() for name, values in state.items()}),
    )
    return {replica.replica: replica for replica in replicas}, states


# --- derivatives --------------------------------------------------------------------------------------------------

MODELS = {
    "two layers of tanh": {},
    "activations of every kind": {"parameters": {"nodes_per_layer": [5, 4, 4, 8], "activation_per_layer": ["softplus", "gelu", "modified_tanh", "square_singlet"]}},
    "one network per flavour": {"parameters": {"layer_type": "dense_per_flavour"}},
    "flavour basis": {"basis": "FLAVOUR"},
    "charm asymmetry": {"basis": "CCBAR_ASYMM", "parameters": {"nodes_per_layer": [6, 5, 9]}},
    "scaled x": {"parameters": {"feature_scaling_points": 10}},
    "trained exponents": {"trainable": True},
    "splits of datasets": {"diagonal_basis": False},
    "l2": {"parameters": {"regularizer": "l2", "regularizer_args": {"l2": 10.0}}},
}  # fmt: skip


def card_of(small_card, keys):
    """The card of a model, with its keys that are not parameters."""
    keys = dict(keys)
    small_card["parameters"].update(keys.pop("parameters", {}))
    basis = keys.pop("basis", "EVOL")
    if basis == "FLAVOUR":
        ranges = {"smallx": [0.9, 1.1], "largex": [2, 4]}
        entries = [{"fl": fl, "trainable": False, **ranges} for fl in ("u", "ubar", "d", "dbar", "s", "sbar", "c", "g")]
        small_card["fitting"] = {"fitbasis": basis, "basis": entries}
    elif basis != "EVOL":
        small_card["fitting"] = {"fitbasis": basis}
    if keys.pop("trainable", False):
        entries = [entry.model_dump() for entry in parse_runcard(small_card).fitting.basis]
        small_card["fitting"] = {"basis": [{**e, "trainable": e["fl"] != "t3"} for e in entries]}
    return small_card, keys


@pytest.mark.parametrize("keys", MODELS.values(), ids=list(MODELS))
def test_the_jacobian_is_that_of_finite_differences(small_card, small_problem, keys):
    card, keys = card_of(small_card, keys)
    trainer = make_trainer(card, small_problem, **keys)
    replica, parameters = drawn(trainer, 1, size=0.05)
    # Of the PDFs by all parameters, also those that are not trained.
    jacobian = ModelJacobian(trainer.on_nodes, trainer.task.operator.n_fk)(tf.constant(parameters)).numpy()
    rng = np.random.default_rng(4)
    for step in 1e-6 * rng.normal(size=(3, len(parameters))):
        ahead, behind = (trainer.evaluate(replica, parameters + sign * step).xf for sign in (1, -1))
        expected = (ahead - behind) / 2
        assert jacobian @ step == pytest.approx(expected, rel=1e-4, abs=1e-5 * np.abs(expected).max())
    # Of the whole loss by the parameters that are, with constraints in force.
    multipliers = trainer.multipliers(np.array([10]))[0]
    here = trainer.evaluate(replica, parameters)
    jacobian, residual, weights = trainer._linearise(replica, parameters, here, multipliers)
    assert trainer._loss(replica, here, parameters, weights) == pytest.approx(residual @ residual, rel=1e-4)
    for step in 1e-9 * rng.normal(size=(3, len(parameters))) * trainer.free:
        ahead, behind = (
            trainer._loss(replica, trainer.evaluate(replica, moved), moved, weights)
            for moved in (parameters + step, parameters - step)
        )
        assert 2 * residual @ jacobian @ step == pytest.approx((ahead - behind) / 2, rel=1e-3)


def test_products_of_two_hadrons_have_their_slopes_too(small_card, small_problem):
    small_card["parameters"].update(STEPS)
    task = prepare(small_problem, parse_runcard(small_card), REPLICAS)
    first, *_, last = (o.operands[0] for o in task.operator.positivity.observables)
    rng, n = np.random.default_rng(6), last.stop - first.start - 4
    cores = rng.normal(size=(n, 4, 4))
    form = BilinearForm(slice(first.start, first.start + 4), (cores + cores.transpose(0, 2, 1)) / 2, 0.0)
    ratio = Observable("RATIO", (form, slice(first.start + 4, last.stop)))
    operator = dataclasses.replace(task.operator, positivity=Penalty((ratio,), np.ones((n, 1)), np.ones(1)))
    trainer = LevenbergMarquardt(dataclasses.replace(task, operator=operator))
    flat, step = 1 + rng.random(operator.rows.shape[1]), 1e-6 * rng.normal(size=operator.rows.shape[1])

    def ratios(at):
        return trainer.objective.predict(trainer.objective.pieces(tf.constant(at)[None]))[1].numpy()[0]

    u, v = (operator.rows[rows] @ flat for rows in (form.rows, ratio.operands[1]))
    assert ratios(flat) == pytest.approx(np.einsum("a,nab,b->n", u, form.cores, u) / v)
    slopes = trainer._slopes(tf.constant(flat))[1].numpy()
    assert slopes @ step == pytest.approx((ratios(flat + step) - ratios(flat - step)) / 2, rel=1e-5)


SPLITS = {
    "a mask per replica": {},
    "one mask for all": {"same_trvl_per_replica": True},
    "splits of datasets": {"diagonal_basis": False},
    "fewer training points than the rank": {"diagonal_frac": 0.05},
}


@pytest.mark.parametrize("keys", SPLITS.values(), ids=list(SPLITS))
def test_squares_of_the_residuals_are_the_training_chi2_but_for_a_constant(small_card, small_problem, keys):
    trainer = make_trainer(small_card, small_problem, **keys)
    replica, parameters = drawn(trainer, 1)
    _, others = drawn(trainer, 1, size=0.1)
    chi2, squares = [], []
    for each in (parameters, others):
        at = trainer.evaluate(replica, each)
        chi2.append(at.training * float(replica.inputs["n_training"][0]))
        squares.append((replica.data(at.xf, at.nonlinear) ** 2).sum())
    assert abs(chi2[1] - chi2[0]) > 0.01 * chi2[0]
    assert squares[1] - squares[0] == pytest.approx(chi2[1] - chi2[0], rel=1e-6)
    assert 0 < squares[0] <= chi2[0] * (1 + 1e-9)  # the constant is what no PDF describes


# --- steps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residuals, parameters", [(7, 12), (12, 7)])
def test_damped_steps_solve_the_damped_normal_equations(residuals, parameters):
    rng = np.random.default_rng(3)
    j, r = rng.normal(size=(residuals, parameters)), rng.normal(size=residuals)
    problem = DampedLeastSquares(j, r)
    for mu in (0.5, 20.0):
        step, promised = problem.step(mu)
        assert step == pytest.approx(-np.linalg.solve(j.T @ j + mu * np.eye(parameters), j.T @ r), rel=1e-8)
        assert promised == pytest.approx((r**2).sum() - ((r + j @ step) ** 2).sum(), rel=1e-8)


def test_a_problem_without_a_solution_has_no_step():
    step, promised = DampedLeastSquares(np.full((2, 3), np.nan), np.ones(2)).step(1.0)
    assert not promised > 0 and step.shape == (3,)


def test_a_model_linear_in_its_parameters_is_solved_in_one_step(small_card):
    del small_card["dataset_inputs"][1], small_card["positivity"], small_card["integrability"]
    small_card.pop("added_filter_rules")
    small_card["parameters"].update(nodes_per_layer=[8], activation_per_layer=["linear"])
    small_card["fitting"] = {"sum_rules": False}
    trainer = make_trainer(small_card, build_problem(parse_runcard(small_card)))
    trainer.options = {**trainer.options, "damping": 1e-3}
    for number in REPLICAS:
        replica, start = drawn(trainer, number)
        start = trainer._likely_signs(replica, start)
        at = trainer.evaluate(replica, start)
        jacobian, residual, _ = trainer._linearise(replica, start, at, np.zeros(0))
        least = np.linalg.lstsq(jacobian, -residual, rcond=None)[0]
        state = trainer.advance(trainer.initial_state([number]))
        end = np.append(state["theta"][0], state["exponents"][0])
        after = trainer.evaluate(replica, end)
        found = (replica.data(after.xf, after.nonlinear) ** 2).sum()
        damped = -np.linalg.solve(jacobian.T @ jacobian + 1e-3 * np.eye(len(start)), jacobian.T @ residual)
        assert found == pytest.approx(((residual + jacobian @ damped) ** 2).sum(), rel=1e-6)
        assert found < 1.2 * ((residual + jacobian @ least) ** 2).sum() < 0.1 * (residual**2).sum()


def test_outputs_start_with_the_signs_that_describe_the_data_better(trainer):
    gains = []
    for number in range(1, 4):
        replica, parameters = drawn(trainer, number)
        turned = trainer._likely_signs(replica, parameters)
        assert np.array_equal(np.abs(turned), np.abs(parameters))  # signs, nothing else
        before, after = (trainer.evaluate(replica, each).training for each in (parameters, turned))
        assert after <= before
        gains.append(after / before)
    assert min(gains) < 0.5


# --- training -----------------------------------------------------------------------------------------------------


def test_steps_reach_the_minimum_that_nadam_creeps_to(small_card, small_problem):
    small_card["parameters"].update(epochs=2000)
    expected = trained(Trainer(prepare(small_problem, parse_runcard(small_card), REPLICAS)))
    found = trained(make_trainer(small_card, small_problem, double_precision=False))
    for replica in REPLICAS:
        assert found[replica].passed_positivity
        assert found[replica].validation < 1.1 * expected[replica].validation + 0.05


def test_a_replica_alone_is_itself_in_a_batch_of_any_size(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, parameters={"epochs": 15}, double_precision=False)
    together, alone = trained(trainer), trained(trainer, [2])
    trainer.batch = 2
    in_pairs = trained(trainer)
    for found in (alone[2], in_pairs[2]):
        assert found.best_epoch == together[2].best_epoch and found.validation == together[2].validation
        assert np.array_equal(found.parameters, together[2].parameters)  # to the last bit
    assert np.array_equal(in_pairs[3].parameters, together[3].parameters)


def test_training_goes_on_from_any_saved_state_to_the_same_end(trainer, undisturbed):
    expected, states = undisturbed
    for moment in (0, 30):
        for replica in trainer.train(states[moment], lambda progress: None):
            assert np.array_equal(replica.parameters, expected[replica.replica].parameters)
            assert np.array_equal(replica.history, expected[replica.replica].history)
            assert replica.best_epoch == expected[replica.replica].best_epoch


def test_a_replica_stops_when_its_patience_is_over(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem)
    trainer.patience = 5
    for replica in trained(trainer).values():
        assert replica.stop_epoch - replica.best_epoch == 5 + 2 and replica.stop_epoch < 40
        assert replica.history[:, 0].tolist() == list(range(1, replica.stop_epoch + 1))


def test_positivity_holds_at_the_best_step(small_card, small_problem):
    small_card["parameters"]["positivity"] = {"initial": 10.0, "threshold": 1e-6}
    for entry in small_card["positivity"]["posdatasets"]:
        entry["maxlambda"] = 1e6
    trainer = make_trainer(small_card, small_problem)
    without = 0.0
    for number, found in trained(trainer).items():
        assert found.passed_positivity
        assert (trainer.evaluate(trainer._enter(number), found.parameters).violation < 1e-6).all()
        without = max(without, trainer.evaluate(*drawn(trainer, number)).violation.max())
    assert without > 1e-3  # it does not hold by itself


def test_trained_exponents_move_within_their_ranges(small_card, small_problem):
    card, _ = card_of(small_card, {"trainable": True})
    trainer = make_trainer(card, small_problem, parameters={"epochs": 15})
    ranges = np.concatenate([trainer.model.alpha_range, trainer.model.beta_range])
    n, fixed = trainer.model.network.n_parameters, trainer.model.trained_exponents == 0
    assert fixed.sum() == 2  # of t3
    for number, found in trained(trainer).items():
        start = trainer.initial_state([number], [found.attempts - 1])
        before, after = start["theta"][0, n:], found.parameters[n:]
        assert (after >= ranges[:, 0]).all() and (after <= ranges[:, 1]).all()
        assert np.array_equal(after[fixed], before[fixed]) and np.abs(after - before)[~fixed].max() > 1e-3


def test_l2_keeps_weights_small(small_card, small_problem, undisturbed):
    free, _ = undisturbed
    small_card["parameters"].update(regularizer="l2", regularizer_args={"l2": 10.0})
    held = make_trainer(small_card, small_problem)
    kernels = held.decay > 0
    for replica in trained(held).values():
        assert np.linalg.norm(replica.parameters[kernels]) < 0.8 * np.linalg.norm(
            free[replica.replica].parameters[kernels]
        )


def test_replicas_that_stall_or_diverge_start_again_and_say_which(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, parameters={"threshold_chi2": 1e-6})  # nothing comes below
    state = trainer.initial_state(REPLICAS)
    state["theta"][1] = np.nan
    state["attempt"][2] = MAX_ATTEMPTS
    restarted = []
    ends = trainer.train(state, lambda progress: restarted.append(progress.restarted))
    first = next(ends)
    assert restarted[0] == {2: "diverged"} and restarted[STALLED - 1] == {1: "stalled"}
    assert restarted[STALLED] == {2: "stalled"} and not any(3 in some for some in restarted)
    assert first.replica == 3 and first.attempts == MAX_ATTEMPTS + 1 and not first.passed_positivity


# --- the runcard --------------------------------------------------------------------------------------------------


def test_what_has_no_second_order_step_is_refused(small_card):
    small_card["parameters"].update(STEPS)
    for keys, where in (
        ({"dropout": 0.1}, "parameters.dropout"),
        ({"regularizer": "l1", "regularizer_args": {"l1": 0.1}}, "parameters.regularizer"),
        ({"regularizer": "l1_l2", "regularizer_args": {"l1": 0.1, "l2": 0.1}}, "parameters.regularizer"),
        ({"optimizer": {"optimizer_name": "LevenbergMarquardt", "learning_rate": 0.1}}, "learning_rate"),
        ({"optimizer": {"optimizer_name": "LevenbergMarquardt", "clipnorm": 0.1}}, "clipnorm"),
        ({"optimizer": {"optimizer_name": "Adam", "damping": 0.1}}, "damping"),
        ({"optimizer": {"optimizer_name": "Adam", "learning_rate": None}}, "learning_rate"),
    ):
        card = {**small_card, "parameters": {**small_card["parameters"], **keys}}
        with pytest.raises(InputError, match=where):
            parse_runcard(card)


def test_a_card_may_name_the_optimiser_alone(small_card):
    del small_card["parameters"]["epochs"]
    small_card["parameters"]["optimizer"] = {"optimizer_name": "LevenbergMarquardt"}
    card = parse_runcard(small_card)
    assert card.parameters.epochs == 400
    assert set(card.parameters.optimizer.options()) == {"damping", "constraint_steps"}
    assert "clipnorm" not in card.dump() and "learning_rate" not in card.dump()
