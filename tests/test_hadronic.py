"""Two hadrons: Drell-Yan at leading order, filled into PineAPPL grids, evolved to FK tables, predicted and fitted."""

import numpy as np
import pytest
import tensorflow as tf
import yaml
from pineappl.convolutions import ConvType
from pineappl.evolution import OperatorSliceInfo
from pineappl.fk_table import FkTable
from pineappl.pids import PidBasis
from scipy.interpolate import make_interp_spline
from scipy.linalg import solve_triangular
from toy_proton import field_xgrid
from toy_proton import proton as toy_proton
from toy_theory import PROTON, Q0, ToyWorld, empty_grid

import nnpdf_lite
from nnpdf_lite.data import load_dataset
from nnpdf_lite.evolution import PARTON_PIDS, Evolution
from nnpdf_lite.fit.operator import build_operator
from nnpdf_lite.fit.preparation import prepare, replica_data, replica_masks
from nnpdf_lite.fit.problem import build_problem, set_predictions
from nnpdf_lite.fit.training import Trainer
from nnpdf_lite.fit.two_hadrons import BilinearForm
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, EVOLUTION_PIDS, EVOLUTION_TO_FLAVOUR, FLAVOUR_PIDS
from nnpdf_lite.paths import shipped
from nnpdf_lite.pdf.parametrisation import FIT_BASES, columns_to_evolution
from nnpdf_lite.runcard import parse_runcard
from nnpdf_lite.theory import load_dataset_theory, load_theory, predict
from nnpdf_lite.theory.fktable import read_fk_table
from nnpdf_lite.theory.predictions import OPERATIONS, nodes_in

ENERGY = 7000.0  # GeV, of the collision
EDGES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])  # of the bins in |y|
CENTRAL_SET = "NNPDFLITE_dis_nnlo"

# Leading order: name -> (mass of the boson in GeV, cross section over luminosity in pb, pairs of partons with charges).
_PICOBARN = 3.8937937e8  # GeV2
_UP, _DOWN = (2, 4), (1, 3)
PROCESSES = {
    # M dsigma/dM dy of a virtual photon
    "DY": (60.0, 8 * np.pi / 137.036**2 / (9 * ENERGY**2) * _PICOBARN, {
        **{(q, -q): 4 / 9 for q in _UP}, **{(-q, q): 4 / 9 for q in _UP},
        **{(q, -q): 1 / 9 for q in _DOWN}, **{(-q, q): 1 / 9 for q in _DOWN},
    }),
    # dsigma/dy of W bosons, without quark mixing
    "WP": (80.4, np.sqrt(2) * np.pi * 1.16638e-5 * 80.4**2 / (3 * ENERGY**2) * _PICOBARN, {
        (2, -1): 1.0, (-1, 2): 1.0, (4, -3): 1.0, (-3, 4): 1.0,
    }),
    "WM": (80.4, np.sqrt(2) * np.pi * 1.16638e-5 * 80.4**2 / (3 * ENERGY**2) * _PICOBARN, {
        (1, -2): 1.0, (-2, 1): 1.0, (3, -4): 1.0, (-4, 3): 1.0,
    }),
}  # fmt: skip
TABLES = {"DY": ("DY", EDGES), "DY_TOTAL": ("DY", EDGES[[0, -1]]), "WP": ("WP", EDGES), "WM": ("WM", EDGES)}
DATASETS = {
    "TOY_DY": ("null", [["DY"]]),
    "TOY_SHAPE": ("ratio", [["DY"], ["DY_TOTAL"]]),
    "TOY_ASYMMETRY": ("asy", [["WP"], ["WM"]]),
}
NAMES = [f"{setname}_OBS" for setname in DATASETS]


def rapidities(edges, points):
    """Gauss-Legendre nodes and weights (bins, points) of the bins in |y|."""
    t, w = np.polynomial.legendre.leggauss(points)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (1 + t), half * w


def filled_grid(name):
    """A PineAPPL grid of dsigma/d|y| in the bins of table ``name``."""
    process, edges = TABLES[name]
    mass, norm, charges = PROCESSES[process]
    by_charge = {c: [(pair, c) for pair in charges if charges[pair] == c] for c in set(charges.values())}
    grid = empty_grid(list(by_charge.values()), edges)
    for y, w in zip(*(values.ravel() for values in rapidities(edges, 8 * (len(EDGES) // len(edges))))):
        for signed in (y, -y):
            x1, x2 = mass / ENERGY * np.exp([signed, -signed])
            for channel in range(len(by_charge)):
                grid.fill(0, y, channel, [mass**2, x1, x2], norm * w)
    grid.optimize()  # a single scale is recognised
    return grid


class EvolutionOperators:
    """HOPPET as a linear operator from f on FK nodes at Q0 to f on a grid's nodes at its scale."""

    def __init__(self, card, x0):
        # A coarse grid in x: 1e-5 accurate, twenty times quicker.
        self.evolution, self.x0 = Evolution(card, refinement=0.5), x0
        self.flavours = [i for i, f in enumerate(EVOLUTION_FLAVOURS) if f not in ("photon", "V24", "V35", "T24", "T35")]

    def __call__(self, info):
        """One scale: what PineAPPL wants to know of the operator, and the operator (partons, x1, flavours, x0)."""
        fine = field_xgrid()
        variable, inside = (np.log(x) + 5 * x for x in (self.x0, np.maximum(fine, self.x0[0])))
        basis = make_interp_spline(variable, np.diag(self.x0), k=3)(inside) / fine[:, None]
        operator = np.zeros((len(info.pids1), len(info.x1), len(self.flavours), len(self.x0)))
        partons = [PARTON_PIDS.index(pid) for pid in info.pids1]
        for c, flavour in enumerate(self.flavours):
            # Four quarks at Q0: what Sigma and V are, T24, T35, V24 and V35 are too.
            also = {"Sigma": ("T24", "T35"), "V": ("V24", "V35")}.get(EVOLUTION_FLAVOURS[flavour], ())
            columns = [flavour, *(EVOLUTION_FLAVOURS.index(name) for name in also)]
            for j in range(len(self.x0) - 1):  # f(1) = 0
                f = np.zeros((len(fine), 14))
                f[:, columns] = basis[:, [j]]
                evolved = self.evolution.evolve(fine, f, [np.sqrt(info.fac1[0])], info.x1)[0]
                operator[:, :, c, j] = (evolved[:, partons] / np.asarray(info.x1)[:, None]).T
        proton = ConvType(polarized=False, time_like=False)
        pids = [EVOLUTION_PIDS[flavour] for flavour in self.flavours]
        return OperatorSliceInfo(
            Q0**2, pids, self.x0, info.fac1[0], info.pids1, info.x1, PidBasis.Evol, proton
        ), operator  # fmt: skip


@pytest.fixture(scope="module")
def card():
    return yaml.safe_load((shipped("theory_grids") / "nnlo" / "theory.yaml").read_text())


@pytest.fixture(scope="module")
def world(tmp_path_factory, card):
    """The shipped DIS tables and three hadronic datasets, measured by the shipped PDF set with 3% errors."""
    folder = tmp_path_factory.mktemp("hadronic")
    world = ToyWorld(folder, card)
    for table in (shipped("theory_grids") / "nnlo" / "fastkernel").iterdir():
        (world.theory / "fastkernel" / table.name).symlink_to(table)
    nodes = read_fk_table(world.table("HERA_NC_318GEV_EP_SIGMARED")).x
    operators = EvolutionOperators(card, nodes[nodes > 5e-4])
    slices = {}
    for name in TABLES:
        grid = filled_grid(name)
        info = grid.evolve_info([True])
        assert info.fac1 == pytest.approx([PROCESSES[TABLES[name][0]][0] ** 2])
        key = (info.fac1[0], tuple(info.pids1), tuple(info.x1))
        slices[key] = slices.get(key) or operators(info)
        fk = grid.evolve([iter([slices[key]]), iter([slices[key]])], [True], (1.0, 1.0, 1.0), info.ren1, [0.118])
        fk.write_lz4(str(world.table(name)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNPDF_LITE_PATH", str(folder))
        for setname, (operation, tables) in DATASETS.items():
            unmeasured = load_dataset(world.add_dataset(setname, np.ones(5), tables, operation=operation))
            theory = load_dataset_theory(unmeasured, load_theory("toy"))
            central = set_predictions(CENTRAL_SET, [theory], load_theory("toy"))[0]
            world.add_dataset(setname, central, tables, operation=operation, errors=0.03 * np.abs(central))
    return world


@pytest.fixture
def found(world, monkeypatch):
    monkeypatch.setenv("NNPDF_LITE_PATH", str(world.folder))
    return world


def theories():
    return [load_dataset_theory(load_dataset(name), load_theory("toy")) for name in NAMES]


def toy_pdf(x):
    """The toy proton f (1, X, 14) at Q0, interpolated to any x."""
    grid = field_xgrid()
    f = np.zeros((1, len(x), 14))
    inside = x < 1
    spline = make_interp_spline(np.log(grid) + 30 * grid, grid[:, None] * toy_proton(grid), k=5)
    f[0, inside] = spline(np.log(x[inside]) + 30 * x[inside]) / x[inside, None]
    return f


def cross_section(name, evolution):
    """dsigma/d|y| (bins,) of table ``name`` for the toy proton, integrated directly."""
    process, edges = TABLES[name]
    mass, norm, charges = PROCESSES[process]
    y, w = rapidities(edges, 40)
    grid = field_xgrid()

    def partons(x):
        order = np.argsort(x)
        xf = evolution.evolve(grid, toy_proton(grid), [mass], x[order])[0]
        return dict(zip(PARTON_PIDS, (xf[np.argsort(order)] / x[:, None]).T))

    total = 0.0
    for sign in (1, -1):
        first, second = (partons((mass / ENERGY * np.exp(s * y)).ravel()) for s in (sign, -sign))
        total += sum(charge * first[a] * second[b] for (a, b), charge in charges.items()).reshape(y.shape)
    return norm * (total * w).sum(axis=1) / np.diff(edges)


# --- predictions ---------------------------------------------------------------------------------------------------


def test_predictions_are_the_cross_section_integrated_directly(found, card):
    evolution = Evolution(card)
    direct = {name: cross_section(name, evolution) for name in TABLES}
    photon, shape, asymmetry = np.split(predict(theories(), toy_pdf)[0], 3)
    assert np.allclose(photon, direct["DY"], rtol=1e-3)
    assert np.allclose(shape, direct["DY"] / direct["DY_TOTAL"], rtol=1e-3)
    plus, minus = direct["WP"], direct["WM"]
    assert np.allclose(asymmetry, (plus - minus) / (plus + minus), atol=1e-3)


@pytest.mark.parametrize("name", TABLES)
def test_two_hadron_tables_are_convolved_as_pineappl_does(found, name):
    fk = FkTable.read(str(found.table(name)))
    x = np.asarray(fk.x_grid())
    partonic = toy_pdf(x)[0] @ EVOLUTION_TO_FLAVOUR.T

    def xfx(pid, wanted, q2):
        position = np.abs(np.log(x / wanted)).argmin()
        return wanted * partonic[position, FLAVOUR_PIDS.index(pid)] if pid in FLAVOUR_PIDS else 0.0

    table = read_fk_table(found.table(name))
    assert table.n_hadrons == 2
    f = toy_pdf(table.x)[0]
    mine = np.einsum("ncxy,xc,yc->n", table.table, f[:, table.channels[:, 0]], f[:, table.channels[:, 1]])
    assert np.allclose(mine, fk.convolve([PROTON, PROTON], [xfx, xfx]), rtol=1e-10)


def test_the_shape_integrates_to_one_and_the_asymmetry_is_positive(found):
    _, shape, asymmetry = np.split(predict(theories(), toy_pdf)[0], 3)
    # dsigma/d|y| over the mean of dsigma/d|y|
    assert (shape * np.diff(EDGES)).sum() / (EDGES[-1] - EDGES[0]) == pytest.approx(1, rel=1e-3)
    assert np.all((asymmetry > 0) & (asymmetry < 1))  # more u than d


# --- training ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hadronic_card(found, small_card):
    """DIS structure functions and their ratio, together with the three hadronic sets."""
    small_card["theory"] = {"theoryid": "toy"}
    small_card["dataset_inputs"] = [
        *({"dataset": name} for name in NAMES),  # sets that are not linear need not come last
        {"dataset": "SLAC_NC_NOTFIXED_P_EM-F2", "variant": "legacy_dw"},
        {"dataset": "NMC_NC_NOTFIXED_EM-F2", "variant": "legacy_dw"},
    ]
    small_card["double_precision"] = True
    return small_card


def evaluate(task, f):
    """The training loss of ``f`` (R, X, 14) on the nodes of a task; multipliers are 0."""
    columns = FIT_BASES[task.card.fitting.fitbasis].columns
    xf = task.operator.x[:, None] * (f @ np.linalg.pinv(columns_to_evolution(columns)).T)  # (R, X, K)
    trainer = Trainer(task)
    inputs = trainer.inputs(task.replicas)
    n_sets = task.operator.positivity.membership.shape[1] + task.operator.integrability.membership.shape[1]
    multipliers = tf.zeros((len(f), n_sets), tf.float64)
    return trainer.objective(tf.constant(xf.transpose(0, 2, 1)), inputs, multipliers)


def on_nodes(f, x):
    """Return f(x) for ``predict``, from values on the nodes x < 1; f(1) = 0."""

    def pdf(wanted):
        values = np.zeros((len(f), len(wanted), 14))
        values[:, wanted < 1] = f[:, nodes_in(wanted[wanted < 1], x)]
        return values

    return pdf


def fluctuating_protons(x, basis):
    """Two fluctuations (2, X, 14) of the toy proton that the fit basis can represent."""
    to_evolution = columns_to_evolution(FIT_BASES[basis].columns)
    columns = toy_pdf(x)[0] @ np.linalg.pinv(to_evolution).T
    return columns * np.random.default_rng(5).uniform(0.9, 1.1, (2, *columns.shape)) @ to_evolution.T


@pytest.mark.parametrize("basis", FIT_BASES)
@pytest.mark.parametrize("split", ["mask per replica", "one mask", "per dataset"])
def test_training_and_predictions_agree_on_the_chi2(hadronic_card, basis, split):
    ranges = [{"fl": fl, "smallx": [0.6, 0.9], "largex": [2.0, 4.0]} for fl in FIT_BASES[basis].flavours]
    hadronic_card["fitting"] = {"fitbasis": basis, "basis": ranges}
    hadronic_card["parameters"]["nodes_per_layer"][-1] = len(ranges)
    hadronic_card["same_trvl_per_replica"] = split == "one mask"
    hadronic_card["diagonal_basis"] = split != "per dataset"
    hadronic_card["operator_tolerance"] = 1e-6
    card = parse_runcard(hadronic_card)
    problem, replicas = build_problem(card), [1, 2]
    task = prepare(problem, card, replicas)
    f = fluctuating_protons(task.operator.x, basis)
    loss = evaluate(task, f)
    expected = chi2(problem, card, predict(problem.theories, on_nodes(f, task.operator.x)), replicas)
    assert np.allclose([loss.training, loss.validation], expected, rtol=1e-8)


def chi2(problem, card, predictions, replicas):
    """Training and validation chi2 (2, R), in NumPy."""
    covmat = problem.cholesky @ problem.cholesky.T
    residuals = predictions - replica_data(problem, card, replicas)
    out = []
    for residual, mask in zip(residuals, replica_masks(problem, card, replicas)):
        if card.diagonal_basis:
            whitened = solve_triangular(problem.cholesky, residual, lower=True)
            out.append([np.sum(whitened[chosen] ** 2) for chosen in (mask, ~mask)])
        else:
            out.append([residual[m] @ np.linalg.solve(covmat[np.ix_(m, m)], residual[m]) for m in (mask, ~mask)])
    return np.transpose(out)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_factorised_tables_of_two_hadrons_keep_every_prediction_within_the_tolerance(hadronic_card, tolerance):
    problem = build_problem(parse_runcard(hadronic_card))
    exact, factorised = (build_operator(problem, FIT_BASES["EVOL"].columns, t) for t in (0.0, tolerance))
    nodes = exact.x[: exact.n_fk]
    f = fluctuating_protons(nodes, "EVOL") @ np.linalg.pinv(columns_to_evolution(FIT_BASES["EVOL"].columns)).T
    xf = (nodes[:, None] * f).transpose(0, 2, 1).reshape(2, -1)

    def predicted(operator):
        parts = []
        for observable in operator.nonlinear:
            operands = []
            for operand in observable.operands:
                form = isinstance(operand, BilinearForm)
                u = xf @ operator.rows[operand.rows if form else operand].T
                operands.append(np.einsum("ra,nab,rb->rn", u, operand.cores, u) if form else u)
            parts.append(OPERATIONS[observable.operation][1](*operands))
        return np.concatenate(parts, axis=1)

    forms = [o for observable in factorised.nonlinear for o in observable.operands if isinstance(o, BilinearForm)]
    assert len(forms) == 5 and all(form.error <= tolerance for form in forms)
    assert all(form.cores.shape[1] < xf.shape[1] / 3 for form in forms)  # a tenth of the numbers, at five points
    sigma = np.linalg.norm(problem.cholesky[-problem.n_nonlinear :], axis=1)
    change = np.abs(predicted(factorised) - predicted(exact)) / sigma
    assert 0 < change.max() <= tolerance


def test_hadronic_positivity_sets_penalise_negative_cross_sections(hadronic_card, found):
    # More W+ than W- in a proton, so this difference is negative.
    name = found.add_dataset("NNPDF_POS_TOY", np.zeros(5), [["WM"], ["WP"]], operation="subtract", process_type="POS")
    hadronic_card["positivity"]["posdatasets"].append({"dataset": name, "maxlambda": 10.0})
    card = parse_runcard(hadronic_card)
    problem = build_problem(card)
    task = prepare(problem, card, [1, 2])
    f = fluctuating_protons(task.operator.x, "EVOL")
    difference = predict([problem.positivity[-1].theory], on_nodes(f, task.operator.x))
    assert (difference < 0).all()
    assert np.allclose(evaluate(task, f).violation[:, -1], -difference.sum(axis=1), rtol=1e-8)


@pytest.mark.slow
def test_a_fit_of_dis_and_hadronic_data_trains(hadronic_card, tmp_path):
    hadronic_card["double_precision"] = False
    # And else the default methodology, with larger steps: with its own some replicas are still on their way after 3000 epochs.
    optimizer = {"optimizer_name": "Nadam", "learning_rate": 0.005, "clipnorm": 1e-4}
    hadronic_card["parameters"] = {"epochs": 3000, "stopping_patience": 1.0, "optimizer": optimizer}
    fit = nnpdf_lite.fit(hadronic_card, 2, tmp_path / "fit", progress=False)
    for record in fit.all_replicas.records:
        epochs, training, _ = record.history.T
        assert epochs[-1] == 3000 and training[-1] < training[0]
        assert record.training < 3  # around 2: pseudo-data fluctuate about data that fluctuate
    table = fit.chi2().set_index("name")
    assert (table.loc[NAMES, "chi2_exp"] < 4).all()
    assert table.loc["total", "ndata"] == fit.problem.n_data
    assert table.loc["total", "chi2_exp"] < 1.5
