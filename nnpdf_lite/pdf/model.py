"""The PDF model: preprocessing times network, normalised by sum rules.

``x f_k(x) = A_k x^(1-alpha_k) (1-x)^beta_k NN_k(x, ln x)`` (Ball et al., arXiv:2109.02653, eqs. 3.4-3.7). With feature
scaling x enters through its interpolated rank, beta = 0 and ``NN(x) - NN(1)`` is used (arXiv:2111.02954).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf
from scipy.interpolate import PchipInterpolator

from ..runcard import Runcard
from .network import Network
from .parametrisation import FIT_BASES, VALENCE_SUMS, FitBasis, columns_to_evolution
from .quadrature import reference_rule, sum_rule_weights


@dataclass(frozen=True)
class PDFModel:
    """PDFs of many replicas at Q0.

    Parameters of a replica are one flat vector: the network's, then alpha (F,), then beta (F,).

    Attributes
    ----------
    basis : FitBasis
    network : Network
    alpha_range, beta_range : (F, 2) arrays
        Preprocessing ranges the exponents are drawn from.
    trained_exponents : (2 F,) array
        1 where an exponent (alpha, then beta) is trained.
    sum_rules : tuple of str
        Flavours fixed by a sum rule: "g" (momentum), "V", "V3", "V8", "V15" (valence).
    scaling_nodes : (S,) array or None
        Sorted x values whose rank is the network's input, for feature scaling.
    """

    basis: FitBasis
    network: Network
    alpha_range: np.ndarray
    beta_range: np.ndarray
    trained_exponents: np.ndarray
    sum_rules: tuple[str, ...]
    scaling_nodes: np.ndarray | None = None

    @classmethod
    def from_runcard(cls, card: Runcard, x: np.ndarray) -> "PDFModel":
        """Build the model a runcard asks for; ``x`` are the fit's nodes (feature scaling ranks them)."""
        parameters, fitting = card.parameters, card.fitting
        basis = FIT_BASES[fitting.fitbasis]
        scaling = parameters.feature_scaling_points
        network = Network(
            n_inputs=1 if scaling else 2,
            nodes=tuple(parameters.nodes_per_layer),
            activations=tuple(parameters.activation_per_layer),
            initializer=parameters.initializer,
            per_flavour=parameters.layer_type == "dense_per_flavour",
            dropout=parameters.dropout,
        )
        alpha = np.array([entry.smallx for entry in fitting.basis], dtype=float)
        beta = np.array([(0, 0) if scaling or entry.largex is None else entry.largex for entry in fitting.basis], float)
        trained = np.array([float(entry.trainable) for entry in fitting.basis])
        return cls(
            basis=basis,
            network=network,
            alpha_range=alpha,
            beta_range=beta,
            trained_exponents=np.concatenate([trained, trained * (beta[:, 1] > beta[:, 0])]),
            sum_rules=sum_rule_flavours(fitting.sum_rules, basis),
            scaling_nodes=_scaling_nodes(x, scaling) if scaling else None,
        )

    @property
    def n_parameters(self) -> int:
        """Length of a replica's parameter vector."""
        return self.network.n_parameters + 2 * len(self.basis.flavours)

    @property
    def trains_exponents(self) -> bool:
        """True when any preprocessing exponent is a free parameter."""
        return bool(self.trained_exponents.any())

    @cached_property
    def to_evolution(self) -> np.ndarray:
        """(14, K) matrix from the fitted columns to the evolution basis."""
        return columns_to_evolution(self.basis.columns)

    def initial(self, seeds: Sequence[np.random.SeedSequence]) -> np.ndarray:
        """Draw initial parameters (R, P), one replica per seed."""
        rows = []
        for seed in seeds:
            network_seed, exponent_seed = seed.spawn(2)
            rng = np.random.default_rng(exponent_seed)
            ranges = np.concatenate([self.alpha_range, self.beta_range])
            exponents = ranges[:, 0] + np.diff(ranges, axis=1)[:, 0] * rng.random(len(ranges))
            rows.append(np.concatenate([self.network.initial(network_seed), exponents]))
        return np.array(rows)

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return the network's inputs (n_inputs, X) at x (X,)."""
        if self.scaling_nodes is None:
            return np.stack([x, np.log(x)])
        ranks = np.linspace(-1, 1, len(self.scaling_nodes))
        return PchipInterpolator(np.log(self.scaling_nodes), ranks, extrapolate=True)(np.log(x))[None, :]

    def exponents(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return alpha and beta, (R, F) each."""
        alpha, beta = np.split(parameters[:, self.network.n_parameters :], 2, axis=1)
        return alpha, beta

    def on_nodes(self, x: np.ndarray, dtype: tf.DType = tf.float32) -> "ModelOnNodes":
        """Fix the nodes x (X,) the sum rules are integrated on and f is wanted at."""
        return ModelOnNodes(self, x, dtype)

    def __call__(self, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Evaluate in double precision; returns f = xf/x, (R, X, 14), with sum rules on the reference quadrature."""
        nodes, weights = reference_rule()
        inside = x < 1  # f(1) = 0 by construction
        wanted = np.concatenate([nodes, x[inside]])
        model = ModelOnNodes(self, wanted, tf.float64, weights)
        network, exponents = np.split(np.asarray(parameters, float), [self.network.n_parameters], axis=1)
        xf = model(tf.constant(network), model.prefactor(tf.constant(exponents))).numpy()[:, :, len(nodes) :]
        f = np.zeros((len(parameters), len(x), 14))
        f[:, inside] = np.einsum("rkx,ek->rxe", xf / x[inside], self.to_evolution)
        return f


class ModelOnNodes:
    """The model as a TensorFlow function of the parameters on fixed nodes: ``x f`` (R, K, X)."""

    def __init__(self, model: PDFModel, x: np.ndarray, dtype: tf.DType, weights: np.ndarray | None = None):
        """Precompute all that depends on x alone; ``weights`` (Q,) integrate dx/x on the first Q nodes."""
        self.model, self.dtype = model, dtype
        if weights is None:
            momentum, valence = sum_rule_weights(x, "momentum"), sum_rule_weights(x, "valence")
        else:
            momentum, valence = np.zeros((2, len(x)))
            momentum[: len(weights)] = weights * x[: len(weights)]
            valence[: len(weights)] = weights
        columns = model.basis.columns
        kinds = np.array([momentum if name in ("Sigma", "g") else valence for name in columns])
        self.integration = tf.constant(kinds, dtype)
        features = model.features(x)
        if model.scaling_nodes is not None:  # one more node, x = 1, for NN(x) - NN(1)
            features = np.concatenate([features, model.features(np.array([1.0]))], axis=1)
        self.features = tf.constant(features, dtype)
        self.log_x = tf.constant(np.log(x), dtype)
        self.log_1mx = tf.constant(np.log1p(-x), dtype)
        self.rotation = None if model.basis.rotation is None else tf.constant(model.basis.rotation, dtype)

    def prefactor(self, exponents: tf.Tensor) -> tf.Tensor:
        """``x^(1-alpha) (1-x)^beta`` (R, F, X) of exponents alpha, beta (R, 2 F)."""
        alpha, beta = tf.split(exponents, 2, axis=1)
        return tf.exp((1 - alpha)[:, :, None] * self.log_x + beta[:, :, None] * self.log_1mx)

    def __call__(self, network: tf.Tensor, prefactor: tf.Tensor, drop: tf.Tensor | None = None) -> tf.Tensor:
        """Return x f (R, K, X) of the fitted columns from network parameters (R, P) and ``prefactor`` (R, F, X)."""
        out = self.model.network(network, self.features, drop)
        if self.model.scaling_nodes is not None:
            out = out[:, :, :-1] - out[:, :, -1:]
        xf = out * prefactor
        if self.rotation is not None:
            xf = tf.einsum("kf,rfx->rkx", self.rotation, xf)
        return xf * self.normalisation(self.integrals(xf))[:, :, None]

    def integrals(self, xf: tf.Tensor) -> tf.Tensor:
        """Integrate x f (R, K, X) as the sum rules do: momentum of Sigma and g, number of the others; (R, K)."""
        return tf.reduce_sum(xf * self.integration, axis=2)

    def normalisation(self, integrals: tf.Tensor) -> tf.Tensor:
        """Return A (R, K) from the integrals before normalisation (R, K): 1 but for the flavours fixed by sum rules."""
        columns = self.model.basis.columns
        integrals = tf.unstack(integrals, axis=1)
        one = tf.ones_like(integrals[0])
        factors = []
        for name, integral in zip(columns, integrals):
            if name not in self.model.sum_rules:
                factors.append(one)
            elif name == "g":
                factors.append((1 - integrals[columns.index("Sigma")]) / integral)
            else:
                factors.append(VALENCE_SUMS[name] / integral)
        return tf.stack(factors, axis=1)


def sum_rule_flavours(mode: bool | str, basis: FitBasis) -> tuple[str, ...]:
    """Return the flavours that sum rules fix for ``sum_rules: True|ALL|MSR|VSR|False``."""
    momentum = ("g",) if mode in (True, "ALL", "MSR") else ()
    valence = tuple(name for name in VALENCE_SUMS if name in basis.columns) if mode in (True, "ALL", "VSR") else ()
    return momentum + valence


def _scaling_nodes(x: np.ndarray, points: int) -> np.ndarray:
    """Thin the fit's nodes and the end points to ``points`` support points of the rank function."""
    nodes = np.union1d(x, [1e-9, 1.0])
    nodes = nodes[np.append(True, np.diff(np.log(nodes)) > 1e-6)]  # 1e-9 may be a node already, but for rounding
    return nodes[np.unique(np.linspace(0, len(nodes) - 1, points).round().astype(int))]
