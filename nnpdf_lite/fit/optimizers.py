"""First-order optimisers as pure functions ``(gradient, slots, step) -> (update, slots)``, replicas along the first axis.

Formulas are Keras's (its documentation names the papers), so a runcard's options mean what they mean there; written as
functions of tensors because replicas enter and leave a batch between blocks of epochs, taking their slots along.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

Slots = tuple[tf.Tensor, ...]


def _sgd(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    (velocity,) = slots
    velocity = o["momentum"] * velocity - o["learning_rate"] * g
    return (o["momentum"] * velocity - o["learning_rate"] * g if o["nesterov"] else velocity), (velocity,)


def _rmsprop(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    square, mean, velocity = slots
    square += (1 - o["rho"]) * (g * g - square)
    if o["centered"]:
        mean += (1 - o["rho"]) * (g - mean)
    step = o["learning_rate"] * g * tf.math.rsqrt(square - mean * mean + o["epsilon"])
    velocity = o["momentum"] * velocity + step
    return -velocity, (square, mean, velocity)


def _adadelta(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    square, moved = slots
    square = o["rho"] * square + (1 - o["rho"]) * g * g
    delta = -tf.sqrt(moved + o["epsilon"]) * tf.math.rsqrt(square + o["epsilon"]) * g
    moved = o["rho"] * moved + (1 - o["rho"]) * delta * delta
    return o["learning_rate"] * delta, (square, moved)


def _adam(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    m, v, peak = slots
    m += (1 - o["beta_1"]) * (g - m)
    v += (1 - o["beta_2"]) * (g * g - v)
    peak = tf.maximum(peak, v) if o["amsgrad"] else v
    rate = o["learning_rate"] * tf.sqrt(1 - o["beta_2"] ** t) / (1 - o["beta_1"] ** t)
    return -rate * m / (tf.sqrt(peak) + o["epsilon"]), (m, v, peak)


def _nadam(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    m, v, product = slots  # product of the momentum schedule, (R, 1), starts at 0 for "empty"
    momentum = o["beta_1"] * (1 - 0.5 * 0.96**t)
    following = o["beta_1"] * (1 - 0.5 * 0.96 ** (t + 1))
    product = tf.where(t <= 1, momentum, product * momentum)
    m += (1 - o["beta_1"]) * (g - m)
    v += (1 - o["beta_2"]) * (g * g - v)
    m_hat = following / (1 - product * following) * m + (1 - momentum) / (1 - product) * g
    v_hat = v / (1 - o["beta_2"] ** t)
    return -o["learning_rate"] * m_hat / (tf.sqrt(v_hat) + o["epsilon"]), (m, v, product)


def _adamax(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    m, u = slots
    m += (1 - o["beta_1"]) * (g - m)
    u = tf.maximum(o["beta_2"] * u, tf.abs(g))
    return -o["learning_rate"] / (1 - o["beta_1"] ** t) * m / (u + o["epsilon"]), (m, u)


def _adagrad(g: tf.Tensor, slots: Slots, t: tf.Tensor, o: Mapping) -> tuple[tf.Tensor, Slots]:
    (total,) = slots
    total += g * g
    return -o["learning_rate"] * g * tf.math.rsqrt(total + o["initial_accumulator_value"] + o["epsilon"]), (total,)


#: Optimiser -> (slots per parameter, update).
RULES: dict[str, tuple[int, Callable]] = {
    "SGD": (1, _sgd),
    "RMSprop": (3, _rmsprop),
    "Adadelta": (2, _adadelta),
    "Adagrad": (1, _adagrad),
    "Adam": (3, _adam),
    "Adamax": (2, _adamax),
    "Nadam": (3, _nadam),
}


@dataclass(frozen=True)
class Optimizer:
    """An optimiser with all its options, and the gradient norm it clips each replica to."""

    name: str
    options: Mapping[str, float | bool]
    clipnorm: float | None = None

    def slot_widths(self, n_parameters: int) -> list[int]:
        """Width of each slot; Nadam's third is its momentum schedule, one number per replica."""
        widths = [n_parameters] * RULES[self.name][0]
        return widths[:-1] + [1] if self.name == "Nadam" else widths

    def step(self, gradient: tf.Tensor, slots: Slots, t: tf.Tensor) -> tuple[tf.Tensor, Slots]:
        """Return the update (R, P) and new slots from a gradient (R, P) at step t = 1, 2, ... (R, 1)."""
        if self.clipnorm is not None:
            norm = tf.sqrt(tf.reduce_sum(gradient * gradient, axis=1, keepdims=True))
            gradient *= self.clipnorm / tf.maximum(norm, self.clipnorm)
        return RULES[self.name][1](gradient, slots, t, self.options)
