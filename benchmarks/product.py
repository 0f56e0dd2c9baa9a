"""Times an epoch of training against the matrix products it contains, and how it grows with the work.

    python benchmarks/product.py [--batch 24] [--epochs 400] [--json product.json]

One process of one thread, as a worker of a fit is. An epoch is timed over the training loop; the products of the same
shapes are timed alone in the same process: those with the operator, forward and back, and those of the network. Then
epochs for more replicas, more data and larger networks. Prints tables and writes JSON.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

import itertools

from nnpdf_lite.fit.preparation import prepare
from nnpdf_lite.fit.problem import Problem, build_problem
from nnpdf_lite.fit.training import BATCH, Trainer
from nnpdf_lite.fit.training_task import Progress
from nnpdf_lite.runcard import Runcard, load_runcard

#: Values of ``training_masks``: a mask per replica, and one for all.
MASKS = (None, 1)
BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 100, 200, 500)
FRACTIONS = (0.25, 0.5, 1.0)
NETWORKS = ((12, 10, 8), (25, 20, 8), (50, 40, 8), (100, 80, 8))

#: (shape, shape, transpose_a, transpose_b) of a matrix product.
Product = tuple[tuple[int, ...], tuple[int, ...], bool, bool]


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=BATCH, help="replicas together")
    parser.add_argument("--epochs", type=int, default=400, help="at least 200: the first 100 are not timed")
    parser.add_argument("--only", choices=("product", "batch", "data", "network"), help="one table")
    parser.add_argument("--json", type=Path, default=Path("product.json"), help="where the numbers go")
    options = parser.parse_args()
    batch = options.batch
    card = with_parameters(load_runcard("dis_nnlo"), epochs=options.epochs, stopping_patience=1.0)
    problem = build_problem(card)
    parts = [build_problem(part(card, problem, fraction)) for fraction in FRACTIONS]
    tables = {
        "product": lambda: [against_product(problem, card, n, batch) for n in MASKS],
        "batch": lambda: [{"replicas": n, **epoch_times(problem, card, n)} for n in BATCHES],
        "data": lambda: [{"points": some.n_data, **epoch_times(some, card, batch)} for some in parts],
        "network": lambda: [
            {"nodes": nodes, **epoch_times(problem, with_parameters(card, nodes_per_layer=nodes), batch)}
            for nodes in NETWORKS
        ],
    }
    square = tf.random.normal((2000, 2000))
    speed = round(2 * 2000**3 / _repeat(lambda: tf.matmul(square, square)) / 1e9, 1)
    results = {"machine_gflops": speed, "batch": batch, "epochs": options.epochs}
    print(f"a 2000 x 2000 product runs at {speed} GFLOP/s on one thread")
    for name in [options.only] if options.only else tables:
        results[name] = tables[name]()
        print_table(name, results[name])
    options.json.write_text(json.dumps(results, indent=1) + "\n")


def with_parameters(card: Runcard, **parameters: object) -> Runcard:
    """Return the card with other parameters."""
    return card.model_copy(update={"parameters": card.parameters.model_copy(update=parameters)})


def part(card: Runcard, problem: Problem, fraction: float) -> Runcard:
    """Return the card with the first sets that together hold at most a fraction of the data."""
    points = {dataset.name: len(dataset.kept) for dataset in problem.datasets}
    kept, total = [], 0
    for entry in card.dataset_inputs:
        if total + points[entry.dataset] <= fraction * problem.n_data:
            kept.append(entry)
            total += points[entry.dataset]
    return card.model_copy(update={"dataset_inputs": tuple(kept)})


def trainer_of(problem: Problem, card: Runcard, masks: int | None, batch: int) -> Trainer:
    """Return a trainer of the first replicas, all in one batch."""
    trainer = Trainer(prepare(problem, card.model_copy(update={"training_masks": masks}), range(1, batch + 1)))
    trainer.batch = batch
    return trainer


def epoch_seconds(trainer: Trainer) -> float:
    """Train, and return the median time of an epoch over blocks, without the first, which compiles."""
    times: list[tuple[int, float]] = []
    replicas = trainer.task.replicas

    def watch(progress: Progress) -> None:
        if len(progress.replicas) == len(replicas):  # a replica that starts again goes on alone afterwards
            times.append((int(progress.epochs.max()), time.perf_counter()))

    for _ in trainer.train(trainer.initial_state(replicas), watch):
        pass
    steps = ((last - first, after - before) for (first, before), (last, after) in itertools.pairwise(times))
    return statistics.median(seconds / epochs for epochs, seconds in steps if epochs > 0)


def against_product(problem: Problem, card: Runcard, masks: int | None, batch: int) -> dict:
    """Compare an epoch with its products."""
    trainer = trainer_of(problem, card, masks, batch)
    epoch, operator = epoch_seconds(trainer), operator_products(trainer, batch)
    network = network_products(trainer, batch)
    alone, everything = product_seconds(operator), product_seconds(operator + network)
    return {
        "masks": masks or batch,
        "epoch_us_per_replica": 1e6 * epoch / batch,
        "operator_us_per_replica": 1e6 * alone / batch,
        "products_us_per_replica": 1e6 * everything / batch,
        "operator_gflops": flops(operator) / alone / 1e9,
        "epoch_gflops": flops(operator + network) / epoch / 1e9,
        "epoch_over_operator": epoch / alone,
        "epoch_over_products": epoch / everything,
    }


def epoch_times(problem: Problem, card: Runcard, batch: int) -> dict[str, float]:
    """Time epochs with a mask per replica and with one for all."""
    own, shared = (1e6 * epoch_seconds(trainer_of(problem, card, masks, batch)) / batch for masks in (None, 1))
    return {"own_masks_us_per_replica": own, "one_mask_us_per_replica": shared}


def operator_products(trainer: Trainer, batch: int) -> list[Product]:
    """Products of the PDFs with the operator and of the gradient with its transpose, and those with the folded masks."""
    objective, size = trainer.objective, trainer.objective.chi2.sizes[0]
    products: list[Product] = []
    for matrix in (objective.rows, objective.chi2.nonlinear):
        rows, columns = matrix.shape
        products += [((batch, columns), (rows, columns), False, True), ((batch, rows), (rows, columns), False, False)]
    shared = trainer.task.one_mask
    folded = ((batch, size), (size, size)) if shared else ((batch, 1, size), (batch, size, size))
    return [*products, (*folded, False, False)]


def network_products(trainer: Trainer, batch: int) -> list[Product]:
    """Products of the layers, and for their gradients by kernels and, but for the first, by inputs."""
    nodes = trainer.on_nodes.features.shape[1]
    products: list[Product] = []
    for layer, (out, inp) in enumerate(trainer.model.network.layer_shapes):
        if layer == 0:
            kernel, values, gradient = (batch * out, inp), (inp, nodes), (batch * out, nodes)
        else:
            kernel, values, gradient = (batch, out, inp), (batch, inp, nodes), (batch, out, nodes)
            products.append((kernel, gradient, True, False))
        products += [(kernel, values, False, False), (gradient, values, False, True)]
    return products


def product_seconds(products: list[Product], times: int = 50) -> float:
    """Time the products one after another, in a loop inside the graph; matrices are constants, as in training."""
    left, right = ([tf.random.normal(p[side]) for p in products] for side in (0, 1))

    @tf.function
    def run(left, batches):
        nothing = tf.constant(0.0)
        for _ in tf.range(times):
            following = iter(batches)
            outs = [
                tf.matmul(a + nothing, b if len(b.shape) == 2 else next(following), *transposed)
                for a, b, (_, _, *transposed) in zip(left, right, products)
            ]
            nothing = tf.minimum(tf.add_n([tf.reshape(out, [-1])[0] ** 2 for out in outs]), 0.0)  # each waits for the last
        return nothing

    return _repeat(lambda: run(left, [b for b in right if len(b.shape) > 2])) / times


def flops(products: list[Product]) -> float:
    """Multiplications and additions of the products."""
    return sum(2.0 * math.prod(a) * b[-2 if transposed else -1] for a, b, _, transposed in products)


def _repeat(call: Callable, seconds: float = 1.0) -> float:
    call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def print_table(name: str, rows: list[dict]) -> None:
    """Print one table."""
    titles = [title.replace("_us_per_replica", " us/replica").replace("_", " ") for title in rows[0]]
    print(f"\n{name}\n" + "  ".join(f"{title:>22}" for title in titles))
    for row in rows:
        print("  ".join(f"{v:>22.2f}" if isinstance(v, float) else f"{v!s:>22}" for v in row.values()))


if __name__ == "__main__":
    main()
