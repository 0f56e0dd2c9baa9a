"""Networks with a replica axis, evaluated from one flat parameter vector per replica.

Arrays run (replica, unit, node): the x nodes are contiguous, the first layer of all replicas is a single matrix
product and the others one batched product each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ..errors import InputError


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron, ``dense`` or one small network per flavour (``dense_per_flavour``).

    Attributes
    ----------
    n_inputs : int
        1 (scaled x) or 2 (x, ln x).
    nodes : tuple of int
        Units of each layer; the last is the number of flavours F.
    activations : tuple of str
        One Keras activation per layer.
    initializer : str
        Keras initialiser of the kernels; biases start at zero.
    per_flavour : bool
        One network per flavour, each with ``nodes[:-1]`` hidden units and one output.
    dropout : float
        Fraction of the last hidden layer's units dropped at each training step.
    """

    n_inputs: int
    nodes: tuple[int, ...]
    activations: tuple[str, ...]
    initializer: str = "glorot_normal"
    per_flavour: bool = False
    dropout: float = 0.0

    @property
    def copies(self) -> int:
        """Networks per replica."""
        return self.nodes[-1] if self.per_flavour else 1

    @property
    def layer_shapes(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of each layer of one copy."""
        widths = [self.n_inputs, *self.nodes[:-1], 1 if self.per_flavour else self.nodes[-1]]
        return list(zip(widths[1:], widths[:-1]))

    @property
    def sizes(self) -> list[int]:
        """Lengths of kernel and bias of each layer in the flat vector, all copies."""
        return [self.copies * n for out, inp in self.layer_shapes for n in (out * inp, out)]

    @property
    def n_parameters(self) -> int:
        """Parameters of one replica."""
        return sum(self.sizes)

    @property
    def is_kernel(self) -> np.ndarray:
        """(P,) 1 for kernel elements, 0 for biases: what a regulariser acts on."""
        return np.concatenate([np.full(size, 1.0 - i % 2) for i, size in enumerate(self.sizes)])

    @property
    def output_rows(self) -> list[np.ndarray]:
        """Positions, for each output, of its last kernel row and bias in the flat vector."""
        width, flavours = self.layer_shapes[-1][1], self.nodes[-1]
        kernels = self.n_parameters - flavours * (width + 1) + np.arange(flavours * width).reshape(flavours, width)
        biases = self.n_parameters - flavours + np.arange(flavours)
        return list(np.column_stack([kernels, biases]))

    def initial(self, seed: np.random.SeedSequence) -> np.ndarray:
        """Draw the initial parameters (P,) of one replica.

        Raises
        ------
        InputError
            If Keras does not know the initialiser.
        """
        pieces = []
        children = iter(seed.spawn(len(self.layer_shapes) * self.copies))
        for out, inp in self.layer_shapes:
            for _ in range(self.copies):
                pieces.append(_draw(self.initializer, (inp, out), int(next(children).generate_state(1)[0] >> 1)).T)
            pieces.append(np.zeros(self.copies * out))
        return np.concatenate([np.ravel(piece) for piece in pieces])

    def __call__(self, parameters: tf.Tensor, features: tf.Tensor, drop: tf.Tensor | None = None) -> tf.Tensor:
        """Evaluate at features (n_inputs, X), or (R, n_inputs, X) for each replica its own, with parameters (R, P).

        Returns (R, F, X).

        ``drop`` (R, H) multiplies the last hidden layer of dense networks: 0 drops a unit, others are 1/(1-dropout).
        """
        pieces = tf.split(parameters, self.sizes, axis=1)
        n_nodes = features.shape[-1]
        shared = features.shape.rank == 2
        h = features if shared else tf.repeat(features, self.copies, axis=0)
        last = len(self.layer_shapes) - 1
        for layer, (out, inp) in enumerate(self.layer_shapes):
            kernel, bias = pieces[2 * layer], tf.reshape(pieces[2 * layer + 1], (-1, out, 1))
            if layer == 0 and shared:
                h = tf.reshape(tf.matmul(tf.reshape(kernel, (-1, inp)), h), (-1, out, n_nodes)) + bias
            else:
                h = tf.matmul(tf.reshape(kernel, (-1, out, inp)), h) + bias
            h = activation(self.activations[layer])(h)
            if drop is not None and layer == last - 1:
                h *= tf.reshape(drop, (-1, out, 1))
        return tf.reshape(h, (-1, self.nodes[-1], n_nodes))


#: Activations not taken from Keras: TensorFlow's own kernels, and those n3fit adds (units run along axis 1).
_ACTIVATIONS = {
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "relu": tf.nn.relu,
    "linear": tf.identity,
    "leaky_relu": lambda h: tf.nn.leaky_relu(h, alpha=0.2),
    "square": tf.square,
    "square_singlet": lambda h: tf.concat([h[:, :2] ** 2, h[:, 2:]], axis=1),
    "modified_tanh": lambda h: tf.abs(h) * tf.tanh(h),
}


def activation(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the activation ``name``; InputError when neither Keras nor n3fit has it."""
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name]
    try:
        return keras.activations.get(name)
    except (ValueError, TypeError):
        raise InputError(f"parameters.activation_per_layer: Keras has no activation '{name}'") from None


def _draw(initializer: str, shape: Sequence[int], seed: int) -> np.ndarray:
    try:
        known = keras.initializers.get(initializer)
        config = known.get_config()
        if "seed" in config:
            known = type(known).from_config({**config, "seed": seed})
        scale = 10.0 if initializer == "random_uniform" else 1.0  # n3fit draws from +-0.5, Keras from +-0.05
        return scale * np.asarray(known(tuple(shape)), dtype=float)
    except (ValueError, TypeError) as error:
        raise InputError(f"parameters.initializer: Keras cannot draw '{initializer}' ({error})") from None
