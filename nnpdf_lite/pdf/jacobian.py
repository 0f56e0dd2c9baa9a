"""The model's Jacobian: derivatives of ``x f`` on nodes with respect to the parameters of a replica.

At each node the network is a function of a few inputs, so its derivatives there are those of as many networks as there
are nodes, all with the same parameters: one backward pass per flavour. The sum rules, which tie the nodes together, are
linearised by hand.
"""

import tensorflow as tf

from .model import ModelOnNodes


class ModelJacobian:
    """Derivatives of a model on the first ``n_nodes`` of its nodes, J of X."""

    def __init__(self, on_nodes: ModelOnNodes, n_nodes: int):
        self.on_nodes, self.model, self.n_nodes = on_nodes, on_nodes.model, n_nodes
        features = tf.transpose(on_nodes.features)[:, :, None]  # (X, n_inputs, 1)
        if self.model.scaling_nodes is not None:  # each node is evaluated beside x = 1
            features = tf.concat([features[:-1], tf.repeat(features[-1:], len(features) - 1, axis=0)], axis=2)
        self.features = features

    def __call__(self, parameters: tf.Tensor) -> tf.Tensor:
        """Return the derivatives (K J, P) at the parameters (P,) of a replica: the network's, alpha, beta."""
        nodes = self.on_nodes
        copies = tf.repeat(parameters[None], len(self.features), axis=0)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(copies)
            flavours = tf.unstack(self._before_sum_rules(copies), axis=1)
        slopes = tf.stack([tape.gradient(flavour, copies) for flavour in flavours])  # (F, X, P)
        values = tf.stack(flavours)
        if nodes.rotation is not None:
            slopes, values = (tf.tensordot(nodes.rotation, each, 1) for each in (slopes, values))
        factors, by_integrals = self._normalisation(nodes.integrals(values[None]))
        by_parameters = tf.matmul(by_integrals, tf.einsum("kx,kxp->kp", nodes.integration, slopes))
        n = self.n_nodes
        found = factors[:, None, None] * slopes[:, :n] + values[:, :n, None] * by_parameters[:, None, :]
        return tf.reshape(found, (-1, parameters.shape[0]))

    def _before_sum_rules(self, copies: tf.Tensor) -> tf.Tensor:
        """Return network times preprocessing (X, F), node x with the parameters ``copies[x]`` (X, P)."""
        n, flavours = self.model.network.n_parameters, len(self.model.basis.flavours)
        network, alpha, beta = tf.split(copies, [n, flavours, flavours], axis=1)
        out = self.model.network(network, self.features)
        out = out[:, :, 0] if self.model.scaling_nodes is None else out[:, :, 0] - out[:, :, 1]
        return out * tf.exp((1 - alpha) * self.on_nodes.log_x[:, None] + beta * self.on_nodes.log_1mx[:, None])

    def _normalisation(self, integrals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the sum rules' factors (K,) and their derivatives (K, K) with respect to integrals (1, K)."""
        with tf.GradientTape() as tape:
            tape.watch(integrals)
            factors = self.on_nodes.normalisation(integrals)
        slopes = tape.jacobian(factors, integrals, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return factors[0], slopes[0, :, 0]
