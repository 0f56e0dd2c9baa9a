"""The PDF model: sum rules, end point, preprocessing, bases and networks."""

import numpy as np
import pytest
import tensorflow as tf
from test_quadrature import FK_GRID
from toy_proton import integral

from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, EVOLUTION_TO_FLAVOUR, FLAVOUR_PIDS
from nnpdf_lite.pdf.model import PDFModel
from nnpdf_lite.pdf.quadrature import integration_nodes
from nnpdf_lite.results.ensemble import export_xgrid
from nnpdf_lite.runcard import parse_runcard
from nnpdf_lite.runcard.choices import ACTIVATIONS, FITBASES, INITIALIZERS

NODES = integration_nodes(FK_GRID)
COLUMN = {name: k for k, name in enumerate(EVOLUTION_FLAVOURS)}
SMALL_X = {"FLAVOUR": [0.9, 1.1], "NN31IC": [0.5, 0.8]}
VALENCE = {"V": 3.0, "V3": 1.0, "V8": 3.0, "V15": 3.0}


@pytest.fixture
def build(small_card):
    """Return a function of (basis, parameters, fitting) that makes a model."""

    def model(fitbasis="EVOL", parameters=None, **fitting):
        parameters = {"nodes_per_layer": [25, 20, len(FITBASES[fitbasis])], **(parameters or {})}
        if fitbasis in SMALL_X:  # no default ranges
            entries = [{"fl": fl, "smallx": SMALL_X[fitbasis], "largex": [1.5, 3.5]} for fl in FITBASES[fitbasis]]
            if parameters.get("feature_scaling_points"):
                entries = [{**entry, "largex": None} for entry in entries]
            fitting = {"basis": entries, **fitting}
        small_card["fitting"] = {"fitbasis": fitbasis, **fitting}
        small_card["parameters"].update(parameters)
        small_card["parameters"]["activation_per_layer"] = parameters.get(
            "activation_per_layer", ["tanh"] * (len(parameters["nodes_per_layer"]) - 1) + ["linear"]
        )
        return PDFModel.from_runcard(parse_runcard(small_card), NODES)

    return model


def draw(model, n=4):
    return model.initial([np.random.SeedSequence([5, replica]) for replica in range(n)])


def on_nodes(model, parameters, dtype=tf.float64):
    """x f (R, K, X) on the nodes of training."""
    nodes = model.on_nodes(NODES, dtype)
    network, exponents = np.split(parameters, [model.network.n_parameters], axis=1)
    return nodes(tf.constant(network, dtype), nodes.prefactor(tf.constant(exponents, dtype))).numpy()


MODELS = {
    "EVOL": ("EVOL", {}, 1e-6),
    "CCBAR_ASYMM": ("CCBAR_ASYMM", {}, 1e-6),
    "FLAVOUR": ("FLAVOUR", {}, 1e-6),
    "NN31IC": ("NN31IC", {}, 1e-6),
    "per flavour": ("EVOL", {"layer_type": "dense_per_flavour"}, 1e-6),
    # The rank of x is smooth piecewise only, and a spline between grid points integrates it less well.
    "scaled": ("EVOL", {"feature_scaling_points": 20}, 1e-3),
    "scaled FLAVOUR": ("FLAVOUR", {"feature_scaling_points": 20}, 1e-3),
}


@pytest.mark.parametrize("fitbasis, parameters, tolerance", MODELS.values(), ids=list(MODELS))
def test_momentum_and_valence_sum_rules_hold_on_the_exported_grid(build, fitbasis, parameters, tolerance):
    model = build(fitbasis, parameters)
    x = export_xgrid()
    for f in model(draw(model), x):
        momentum = integral(x, x * (f[:, COLUMN["Sigma"]] + f[:, COLUMN["g"]]))
        assert momentum == pytest.approx(1, abs=tolerance)
        for name, expected in VALENCE.items():
            assert integral(x, f[:, COLUMN[name]]) == pytest.approx(expected, abs=tolerance), name


@pytest.mark.parametrize("fitbasis, parameters, tolerance", MODELS.values(), ids=list(MODELS))
def test_training_and_export_see_the_same_pdfs(build, fitbasis, parameters, tolerance):
    model = build(fitbasis, parameters)
    parameters = draw(model)
    columns = [COLUMN[name] for name in model.basis.columns]
    exported = (model(parameters, NODES) * NODES[:, None])[:, :, columns].transpose(0, 2, 1)
    assert exported == pytest.approx(on_nodes(model, parameters), rel=tolerance)


@pytest.mark.parametrize("fitbasis", FITBASES)
def test_single_precision_follows_double_precision(build, fitbasis):
    model = build(fitbasis)
    exact, single = on_nodes(model, draw(model)), on_nodes(model, draw(model), tf.float32)
    assert np.abs(single - exact).max() < 1e-4 * np.abs(exact).max()


@pytest.mark.parametrize(
    "mode, momentum, valence",
    [(True, True, True), ("ALL", True, True), ("MSR", True, False), ("VSR", False, True), (False, False, False)],
)
def test_only_the_chosen_sum_rules_are_imposed(build, mode, momentum, valence):
    model, x = build(sum_rules=mode), export_xgrid()
    f = model(draw(model, 1), x)[0]
    assert (abs(integral(x, x * (f[:, COLUMN["Sigma"]] + f[:, COLUMN["g"]])) - 1) < 1e-6) == momentum
    for name in ("V", "V3", "V8"):
        assert (abs(integral(x, f[:, COLUMN[name]]) - VALENCE[name]) < 1e-6) == valence, name


@pytest.mark.parametrize("fitbasis, parameters, tolerance", MODELS.values(), ids=list(MODELS))
def test_pdfs_vanish_at_x_one(build, fitbasis, parameters, tolerance):
    model = build(fitbasis, parameters)
    f = model(draw(model), np.array([0.1, 1 - 1e-6, 1.0]))
    assert (f[:, 2] == 0).all()
    assert (np.abs(f[:, 1]) < 1e-3 * np.abs(f[:, 0]).max()).all()


def test_four_active_flavours_fix_the_rest_of_the_evolution_basis(build):
    for fitbasis in FITBASES:
        model = build(fitbasis)
        f = model(draw(model), NODES)
        for copy, original in (("T24", "Sigma"), ("T35", "Sigma"), ("V24", "V"), ("V35", "V")):
            assert np.array_equal(f[..., COLUMN[copy]], f[..., COLUMN[original]])
        assert (f[..., COLUMN["photon"]] == 0).all()
        assert np.array_equal(f[..., COLUMN["V15"]], f[..., COLUMN["V"]]) == (fitbasis != "CCBAR_ASYMM")


def test_outputs_of_the_flavour_basis_are_the_flavours(build):
    model = build("FLAVOUR", sum_rules=False)
    parameters = draw(model)
    nodes = model.on_nodes(NODES, tf.float64)
    network, exponents = np.split(parameters, [model.network.n_parameters], axis=1)
    outputs = (model.network(tf.constant(network), nodes.features) * nodes.prefactor(tf.constant(exponents))).numpy()
    flavours = (model(parameters, NODES) * NODES[:, None]) @ EVOLUTION_TO_FLAVOUR.T
    pids = {"u": 2, "ubar": -2, "d": 1, "dbar": -1, "s": 3, "sbar": -3, "c": 4, "g": 21}
    for k, name in enumerate(model.basis.flavours):
        assert flavours[..., FLAVOUR_PIDS.index(pids[name])] == pytest.approx(outputs[:, k], rel=1e-9, abs=1e-12)
    assert flavours[..., FLAVOUR_PIDS.index(-4)] == pytest.approx(flavours[..., FLAVOUR_PIDS.index(4)])


def test_without_scaling_the_model_is_preprocessing_times_network(build):
    model = build(sum_rules=False)
    parameters = draw(model)
    alpha, beta = (values[:, :, None] for values in model.exponents(parameters))
    network = model.network(
        tf.constant(parameters[:, : model.network.n_parameters]), tf.constant(np.stack([NODES, np.log(NODES)]))
    )
    assert on_nodes(model, parameters) == pytest.approx(
        NODES ** (1 - alpha) * (1 - NODES) ** beta * network.numpy(), rel=1e-9
    )


def test_feature_scaling_has_no_large_x_exponent_and_ranks_x(build):
    model = build(parameters={"feature_scaling_points": 20}, sum_rules=False)
    parameters = draw(model)
    assert (model.exponents(parameters)[1] == 0).all()
    ranks = model.features(export_xgrid())[0]
    assert ranks[0] == pytest.approx(-1) and ranks[-1] == pytest.approx(1) and (np.diff(ranks) > 0).all()
    network = tf.constant(parameters[:, : model.network.n_parameters])
    subtracted = model.network(network, tf.constant(model.features(NODES))) - model.network(
        network, tf.constant([[1.0]], tf.float64)
    )
    alpha = model.exponents(parameters)[0][:, :, None]
    assert on_nodes(model, parameters) == pytest.approx(NODES ** (1 - alpha) * subtracted.numpy(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("points", [2, 5, 40, 60, 1000])
def test_any_number_of_feature_scaling_points_makes_a_model(build, points):
    model = build(parameters={"feature_scaling_points": points})
    assert np.isfinite(model(draw(model), export_xgrid())).all()


def test_networks_per_flavour_share_nothing(build):
    model = build(parameters={"layer_type": "dense_per_flavour", "nodes_per_layer": [4, 3, 8]}, sum_rules=False)
    parameters = draw(model, 1)
    before = on_nodes(model, parameters)[0]
    owner = 2  # V
    size = 0
    for out, inp in model.network.layer_shapes:  # kernels of all copies, then their biases
        for block in (out * inp, out):
            parameters[0, size + owner * block : size + (owner + 1) * block] += 0.3
            size += 8 * block
    after = on_nodes(model, parameters)[0]
    assert size == model.network.n_parameters
    changed = (before != after).all(axis=1)
    assert changed.tolist() == [k == owner for k in range(8)]


def test_initial_parameters_are_a_function_of_the_seed_alone(build):
    model = build()
    seeds = [[7, replica] for replica in range(4)]
    together = model.initial([np.random.SeedSequence(seed) for seed in seeds])
    alone = model.initial([np.random.SeedSequence(seeds[2])])
    assert np.array_equal(together[2], alone[0])
    assert len(np.unique(together[:, 0])) == 4


def test_exponents_are_drawn_uniformly_in_their_ranges(build):
    model = build(parameters={"nodes_per_layer": [8], "activation_per_layer": ["linear"]})
    exponents = np.concatenate(model.exponents(draw(model, 400)), axis=1)
    low, high = np.concatenate([model.alpha_range, model.beta_range]).T
    assert ((exponents >= low) & (exponents <= high)).all()
    position = (exponents - low) / (high - low)
    assert position.mean(axis=0) == pytest.approx(0.5, abs=0.08)
    assert position.std(axis=0) == pytest.approx(12**-0.5, abs=0.04)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_the_runcard_works(build, name):
    model = build(parameters={"nodes_per_layer": [5, 8], "activation_per_layer": ["tanh", name]}, sum_rules=False)
    assert np.isfinite(on_nodes(model, draw(model))).all()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initialiser_of_the_runcard_works(build, name):
    model = build(parameters={"initializer": name})
    parameters = draw(model)[:, : model.network.n_parameters]
    kernels = parameters[:, model.network.is_kernel == 1]
    assert (parameters[:, model.network.is_kernel == 0] == 0).all()
    assert np.isfinite(kernels).all() and (kernels.std(axis=1) > 0.01).all()


def test_glorot_normal_has_its_width(build):
    model = build()
    kernel = draw(model, 40)[:, :50]  # 25 nodes of 2 inputs
    assert kernel.std() == pytest.approx(np.sqrt(2 / 27), rel=0.1)
