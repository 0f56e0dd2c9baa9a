"""Every optimiser takes the steps that Keras's optimiser of the same name and options takes, replica by replica."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nnpdf_lite.fit.optimizers import RULES, Optimizer
from nnpdf_lite.runcard.choices import OPTIMIZERS
from nnpdf_lite.runcard.schema import Optimizer as OptimizerBlock

STEPS, REPLICAS, PARAMETERS = 50, 3, 12
rng = np.random.default_rng(1)
CURVATURE = np.geomspace(1, 1e3, PARAMETERS)
START = rng.normal(size=(REPLICAS, PARAMETERS))

#: Options by the runcard's names, as sums of few powers of two: Keras rounds decays to float32, whatever its precision.
_BETAS = {"beta_1": 0.875, "beta_2": 0.9921875}
VARIANTS = {
    "SGD": [{}, {"momentum": 0.875}, {"momentum": 0.875, "nesterov": True}],
    "RMSprop": [{"rho": 0.9375}, {"momentum": 0.5, "rho": 0.75}, {"rho": 0.9375, "centered": True, "epsilon": 2**-13}],
    "Adadelta": [{"rho": 0.9375}, {"rho": 0.75, "epsilon": 2**-16}],
    "Adagrad": [{}, {"initial_accumulator_value": 0.0}],
    "Adam": [_BETAS, {**_BETAS, "epsilon": 2**-10}, {**_BETAS, "amsgrad": True}],
    "Adamax": [_BETAS, {"beta_1": 0.75, "beta_2": 0.9375}],
    "Nadam": [_BETAS, {"beta_1": 0.5, "beta_2": 0.9375, "epsilon": 2**-10}],
}
CASES = [(name, options) for name, variants in VARIANTS.items() for options in variants]


@pytest.fixture(autouse=True)
def double_precision():
    """Let Keras compute in float64, also what it keeps beside the parameters."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def gradient(theta, step):
    """Of a valley with a narrow floor, whose walls shake."""
    return CURVATURE * theta + 0.3 * np.sin(7 * theta + step)


def ours(block):
    optimizer = Optimizer(
        block.optimizer_name, {"learning_rate": block.learning_rate, **block.options()}, block.clipnorm
    )
    slots = tuple(tf.zeros((REPLICAS, width), tf.float64) for width in optimizer.slot_widths(PARAMETERS))
    theta = START.copy()
    for step in range(STEPS):
        t = tf.fill((REPLICAS, 1), tf.constant(step + 1.0, tf.float64))
        update, slots = optimizer.step(tf.constant(gradient(theta, step)), slots, t)
        theta = theta + update.numpy()
    return theta


def keras_own(block):
    """Each replica is one variable, whose gradient Keras clips by itself."""
    options = {"learning_rate": block.learning_rate, "clipnorm": block.clipnorm, **block.options()}
    optimizer = getattr(keras.optimizers, block.optimizer_name)(**options)
    replicas = [keras.Variable(start, dtype="float64") for start in START]
    optimizer.build(replicas)
    update = tf.function(lambda gradients: optimizer.apply(tf.unstack(gradients)))
    for step in range(STEPS):
        update(tf.constant(gradient(np.array([theta.numpy() for theta in replicas]), step)))
    return np.array([theta.numpy() for theta in replicas])


@pytest.mark.parametrize("clipnorm", [None, 0.5], ids=["unclipped", "clipped"])
@pytest.mark.parametrize("name, options", CASES, ids=[f"{name} {options or ''}".strip() for name, options in CASES])
def test_fifty_steps_equal_those_of_keras(name, options, clipnorm):
    rate = {"learning_rate": 1e-4} if name == "SGD" else {}
    block = OptimizerBlock(optimizer_name=name, clipnorm=clipnorm, **rate, **options)
    expected = keras_own(block)
    assert np.abs(expected - START).max() > 1e-4  # something moved
    assert ours(block) == pytest.approx(expected, rel=1e-6, abs=1e-8)


FIRST_ORDER = set(OPTIMIZERS) - {"LevenbergMarquardt"}


@pytest.mark.parametrize("name", sorted(FIRST_ORDER - {"Amsgrad"}))
def test_options_left_out_are_those_of_keras(name):
    block = OptimizerBlock(optimizer_name=name)
    theirs = getattr(keras.optimizers, name)().get_config()
    assert block.options() == {option: pytest.approx(theirs[option]) for option in block.options()}


def test_amsgrad_is_adam_with_its_flag():
    block = OptimizerBlock(optimizer_name="Amsgrad")
    assert (block.optimizer_name, block.options()["amsgrad"]) == ("Adam", True)


def test_every_optimiser_of_the_runcard_has_a_rule():
    assert set(RULES) == set(VARIANTS) == FIRST_ORDER - {"Amsgrad"}


def test_the_norm_is_clipped_over_all_parameters_of_a_replica_and_no_others():
    optimizer = Optimizer("SGD", {"learning_rate": 1.0, "momentum": 0.0, "nesterov": False}, 2.0)
    gradients = tf.constant([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [3e8, 4e8]], tf.float64)
    update, _ = optimizer.step(gradients, (tf.zeros((4, 2), tf.float64),), tf.ones((4, 1), tf.float64))
    expected = [[-1.2, -1.6], [-0.3, -0.4], [0, 0], [-1.2, -1.6]]
    assert update.numpy() == pytest.approx(np.array(expected), rel=1e-12)


def test_replicas_at_different_steps_share_a_batch():
    optimizer = Optimizer("Nadam", {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7})
    gradients = [tf.constant(rng.normal(size=(1, 4))) for _ in range(5)]

    def run(slots, numbers):
        updates = []
        for g, t in zip(gradients, numbers):
            update, slots = optimizer.step(g, slots, tf.constant([[t]], tf.float64))
            updates.append(update.numpy()[0])
        return np.array(updates), slots

    fresh = tuple(tf.zeros((1, width), tf.float64) for width in optimizer.slot_widths(4))
    expected, later = run(fresh, range(1, 6))
    continued, _ = run(later, range(6, 11))
    both = tuple(tf.concat([a, b], axis=0) for a, b in zip(fresh, later))
    for i, g in enumerate(gradients):
        pair = tf.concat([g, g], axis=0)
        update, both = optimizer.step(pair, both, tf.constant([[i + 1.0], [i + 6.0]], tf.float64))
        assert update.numpy() == pytest.approx(np.array([expected[i], continued[i]]), rel=1e-12)
