"""FK tables and what a dataset makes of them, against pineappl's own convolution and NumPy."""

import itertools

import numpy as np
import pytest
from pineappl.convolutions import Conv, ConvType
from pineappl.fk_table import FkTable
from pineappl.pids import PidBasis
from scipy.linalg import solve_triangular
from toy_theory import CARD, PROTON, Q0, ToyWorld

from nnpdf_lite.data import load_dataset
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.operator import build_operator
from nnpdf_lite.flavours import (
    EVOLUTION_FLAVOURS,
    EVOLUTION_PIDS,
    EVOLUTION_TO_FLAVOUR,
    FLAVOUR_PIDS,
    FLAVOUR_TO_EVOLUTION,
)
from nnpdf_lite.pdf.parametrisation import FIT_BASES, columns_to_evolution
from nnpdf_lite.theory import load_dataset_theory, load_theory, predict
from nnpdf_lite.theory.fktable import read_fk_table
from nnpdf_lite.theory.predictions import OPERATIONS, nodes_in

X = np.array([0.01, 0.1, 0.4, 0.8])
SINGLET, GLUON, VALENCE = (100,), (21,), (200,)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An empty theory and folder of datasets that the package finds."""
    monkeypatch.setenv("NNPDF_LITE_PATH", str(tmp_path / "toys"))
    return ToyWorld(tmp_path / "toys")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def proton(rng, x=X):
    """One random set of 14 evolution flavours f on x, (1, X, 14)."""
    return rng.uniform(0.5, 1.5, (1, len(x), 14))


def theory_of(name, *, kept=None, cfac=()):
    dataset = load_dataset(name, cfac=cfac)
    return load_dataset_theory(dataset if kept is None else dataset.select(kept), load_theory("toy"))


def predictions(name, f, x=X, **options):
    """Predictions (n,) of a toy dataset for f (1, X, 14) on x."""

    def pdf(wanted):
        return f[:, nodes_in(wanted, x)]

    return predict([theory_of(name, **options)], pdf)[0]


def flavour(f, name):
    return f[0, :, EVOLUTION_FLAVOURS.index(name)]


# --- one table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", [PidBasis.Evol, PidBasis.Pdg], ids=["evolution", "flavour"])
@pytest.mark.parametrize("hadrons", [1, 2])
def test_predictions_are_those_of_pineappls_own_convolution(world, rng, hadrons, basis):
    partons = (100, 21, 203, 115) if basis == PidBasis.Evol else (2, -2, 21, -4)
    channels = list(itertools.product(partons, repeat=hadrons))
    world.add_table(
        "T", rng.normal(size=(3, len(channels)) + (4,) * hadrons), X, channels,
        pid_basis=basis, normalizations=[1.0, 0.5, 4.0],
    )  # fmt: skip
    name = world.add_dataset("TOY", np.zeros(3), [["T"]])
    f = proton(rng)
    partonic = f[0] @ EVOLUTION_TO_FLAVOUR.T

    def xfx(pid, x, q2):
        assert q2 == pytest.approx(Q0**2)
        return x * partonic[np.abs(X - x).argmin(), FLAVOUR_PIDS.index(pid)] if pid in FLAVOUR_PIDS else 0.0

    expected = FkTable.read(str(world.table("T"))).convolve([PROTON] * hadrons, [xfx] * hadrons)
    assert np.allclose(predictions(name, f), expected, rtol=1e-12)


def test_a_differential_cross_section_is_divided_by_its_bin_width(world, rng):
    table, widths = rng.normal(size=(3, 1, 4)), np.array([1.0, 0.5, 4.0])
    world.add_table("T", table, X, [SINGLET], normalizations=widths)
    f = proton(rng)
    expected = table[:, 0] @ flavour(f, "Sigma") / widths
    assert np.allclose(predictions(world.add_dataset("TOY", np.zeros(3), [["T"]]), f), expected)


def test_the_scale_and_nodes_of_a_table_are_read(world, rng):
    world.add_table("T", rng.normal(size=(2, 2, 4)), X, [SINGLET, GLUON])
    fk = read_fk_table(world.table("T"))
    assert fk.q0 == pytest.approx(Q0)
    assert np.allclose(fk.x, X)
    assert [EVOLUTION_PIDS[c] for c in fk.channels[:, 0]] == [100, 21]


# --- operands ------------------------------------------------------------------------------------------------------


def test_tables_of_an_operand_follow_one_another_on_the_union_of_their_nodes_and_channels(world, rng):
    y = np.array([0.1, 0.3, 0.8])
    first, second = rng.normal(size=(2, 2, 4)), rng.normal(size=(3, 1, 3))
    world.add_table("A", first, X, [SINGLET, GLUON])
    world.add_table("B", second, y, [VALENCE])
    name = world.add_dataset("TOY", np.zeros(5), [["A", "B"]])
    union = np.union1d(X, y)
    assert np.allclose(theory_of(name).x, union)
    f = proton(rng, union)
    on_x, on_y = f[:, np.isin(union, X)], f[:, np.isin(union, y)]
    expected = np.concatenate(
        [first[:, 0] @ flavour(on_x, "Sigma") + first[:, 1] @ flavour(on_x, "g"), second[:, 0] @ flavour(on_y, "V")]
    )
    assert np.allclose(predictions(name, f, union), expected)
    assert np.allclose(predictions(name, f, union, kept=[0, 3, 4]), expected[[0, 3, 4]])


def test_two_hadron_tables_join_on_their_nodes_and_channels_too(world, rng):
    y = np.array([0.1, 0.3])
    first, second = rng.normal(size=(2, 1, 4, 4)), rng.normal(size=(1, 1, 2, 2))
    world.add_table("A", first, X, [(100, 21)])
    world.add_table("B", second, y, [(200, 200)])
    union = np.union1d(X, y)
    f = proton(rng, union)
    on_x, on_y = f[:, np.isin(union, X)], f[:, np.isin(union, y)]
    expected = np.concatenate(
        [
            flavour(on_x, "Sigma") @ first[:, 0] @ flavour(on_x, "g"),
            flavour(on_y, "V") @ second[:, 0] @ flavour(on_y, "V"),
        ]
    )
    assert np.allclose(predictions(world.add_dataset("TOY", np.zeros(3), [["A", "B"]]), f, union), expected)


def test_conversion_factors_cfactors_and_normalizations_multiply_and_shifts_leave_rows_free(world, rng):
    first, second = rng.normal(size=(2, 1, 4)), rng.normal(size=(2, 1, 4))
    world.add_table("A", first, X, [SINGLET])
    world.add_table("B", second, X, [SINGLET])
    for table in "AB":
        world.add_cfactor("QCD", table, ["1.1 0.0", "1.2 0.0"])
        world.add_cfactor("EWK", table, ["0.9 0.1", "0.8"])
    name = world.add_dataset(
        "TOY", np.zeros(7), [["A", "B"]], conversion_factor=10.0, normalization={"B": 2.0}, shifts={"B": 3}
    )
    f = proton(rng)
    sigma = flavour(f, "Sigma")
    expected = 10 * np.concatenate([first[:, 0] @ sigma, 2 * second[:, 0] @ sigma])
    with_rows = [0, 1, 5, 6]
    assert np.allclose(predictions(name, f, kept=with_rows), expected)
    factors = np.array([1.1 * 0.9, 1.2 * 0.8] * 2)
    assert np.allclose(predictions(name, f, kept=with_rows, cfac=["QCD", "EWK"]), factors * expected)
    with pytest.raises(InputError, match="TOY_OBS.*A, B.*no row for point 2"):
        theory_of(name)


# --- operations ----------------------------------------------------------------------------------------------------

EXPECTED = {
    "NULL": lambda o: o[0],
    "ADD": lambda o: o[0] + o[1],
    "SUBTRACT": lambda o: o[0] - o[1],
    "SUBTRACT_ABS": lambda o: o[0] - np.abs(o[1]),
    "SUBTRACT_ABSPAIR": lambda o: o[0] + o[1] - np.abs(o[2] + o[3]),
    "RATIO": lambda o: o[0] / o[1],
    "ASY": lambda o: (o[0] - o[1]) / (o[0] + o[1]),
    "SMN": lambda o: (o[0] + o[1]) / (o[2] + o[3]),
    "SMT": lambda o: o.sum(axis=0),
    "COM": lambda o: o[:10].sum(axis=0) / o[10:].sum(axis=0),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_combine_operands_as_numpy_does(world, rng, operation):
    n_operands = OPERATIONS[operation][0]
    tables = rng.normal(size=(n_operands, 20, 1, 4))  # both signs occur, for absolute values
    for i, table in enumerate(tables):
        world.add_table(f"T{i}", table, X, [SINGLET])
    name = world.add_dataset(
        "TOY", np.zeros(20), [[f"T{i}"] for i in range(n_operands)], operation=operation.lower()
    )
    f = proton(rng)
    operands = np.array([table[:, 0] @ flavour(f, "Sigma") for table in tables])
    assert np.allclose(predictions(name, f), EXPECTED[operation](operands), rtol=1e-12)
    g = proton(rng)
    adds_up = np.allclose(predictions(name, f - g), predictions(name, f) - predictions(name, g))
    assert theory_of(name).is_linear == adds_up


@pytest.mark.parametrize("rows", [1, 3], ids=["one bin", "one bin, then zeros"])
def test_a_total_cross_section_divides_every_bin(world, rng, rows):
    numerator, denominator = rng.normal(size=(3, 1, 4)), np.zeros((rows, 1, 4))
    denominator[0] = rng.uniform(1, 2, (1, 4))
    world.add_table("N", numerator, X, [SINGLET])
    world.add_table("D", denominator, X, [SINGLET])
    name = world.add_dataset("TOY", np.zeros(3), [["N"], ["D"]], operation="ratio")
    f = proton(rng)
    sigma = flavour(f, "Sigma")
    expected = numerator[:, 0] @ sigma / (denominator[0, 0] @ sigma)
    assert np.allclose(predictions(name, f), expected)
    assert np.allclose(predictions(name, f, kept=[1, 2]), expected[1:])


# --- contraction to what is fitted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", FIT_BASES)
def test_contraction_to_a_fit_basis_equals_contraction_to_14_flavours(small_problem, rng, basis):
    columns = FIT_BASES[basis].columns
    operator = build_operator(small_problem, columns)
    x = operator.x[: operator.n_fk]
    xf = rng.uniform(0.5, 1.5, (len(columns), len(x)))
    # The evolution basis follows from the columns by the quarks that exist: four at Q0, c = cbar unless V15 is fitted.
    f = dict(zip(columns, xf / x))
    f |= {"V15": f.get("V15", f["V"]), "V24": f["V"], "V35": f["V"], "T24": f["Sigma"], "T35": f["Sigma"]}
    full = np.stack([f.get(name, np.zeros(len(x))) for name in EVOLUTION_FLAVOURS], axis=1)[None]

    def predicted(theories):
        def pdf(wanted):  # f(1) = 0
            values = np.zeros((1, len(wanted), 14))
            values[:, wanted < 1] = full[:, nodes_in(wanted[wanted < 1], x)]
            return values

        return predict(theories, pdf)[0]

    flat = operator.rows @ xf.ravel()
    n_linear = small_problem.n_data - small_problem.n_nonlinear
    direct = predicted(small_problem.theories)
    assert small_problem.n_nonlinear > 0
    nonlinear = _evaluate(operator.nonlinear, flat)
    assert np.allclose(nonlinear, direct[n_linear:], rtol=1e-10)
    # Whitening: the linear rows give L^-1 of the linear points, and `mixing` adds the others.
    whitened = flat[: small_problem.n_data].copy()
    whitened[n_linear:] += operator.mixing @ nonlinear
    assert np.allclose(whitened, solve_triangular(small_problem.cholesky, direct, lower=True), rtol=1e-8, atol=1e-8)
    for penalty, constraints in (
        (operator.positivity, small_problem.positivity),
        (operator.integrability, small_problem.integrability),
    ):
        direct = predicted([c.theory for c in constraints])
        assert np.allclose(_evaluate(penalty.observables, flat), direct, rtol=1e-10)
        sizes = [len(c.theory.operands[0].table) for c in constraints]
        assert np.array_equal(penalty.membership.sum(axis=0), sizes)


def _evaluate(observables, rows):
    return np.concatenate([EXPECTED[o.operation](np.array([rows[part] for part in o.operands])) for o in observables])


@pytest.mark.parametrize("basis", FIT_BASES)
def test_fit_bases_are_protons_of_four_quarks(rng, basis):
    fit_basis = FIT_BASES[basis]
    outputs = rng.uniform(0.5, 1.5, len(fit_basis.flavours))
    rotation = np.eye(len(outputs)) if fit_basis.rotation is None else fit_basis.rotation
    evolution = columns_to_evolution(fit_basis.columns) @ rotation @ outputs
    partons = dict(zip(FLAVOUR_PIDS, EVOLUTION_TO_FLAVOUR @ evolution))
    assert [partons[pid] for pid in (22, 5, -5, 6, -6)] == pytest.approx([0] * 5, abs=1e-14)
    if basis == "FLAVOUR":
        pids = {"u": 2, "ubar": -2, "d": 1, "dbar": -1, "s": 3, "sbar": -3, "c": 4, "g": 21}
        assert [partons[pids[name]] for name in fit_basis.flavours] == pytest.approx(outputs)
    if basis != "CCBAR_ASYMM":
        assert partons[4] == pytest.approx(partons[-4])
    assert np.allclose(FLAVOUR_TO_EVOLUTION @ [partons[pid] for pid in FLAVOUR_PIDS], evolution)


# --- what a user sees when something is wrong ------------------------------------------------------------------------


@pytest.fixture
def dataset(world, rng):
    """Name of a dataset of three points with table T."""
    world.add_table("T", rng.normal(size=(3, 1, 4)), X, [SINGLET])
    return world.add_dataset("TOY", np.zeros(3), [["T"]])


def test_a_missing_table_is_named_with_its_neighbour(world, dataset):
    world.table("T").rename(world.table("TOYTABLE_8TEV"))
    name = world.add_dataset("OTHER", np.zeros(3), [["TOYTABLE_7TEV"]])
    with pytest.raises(InputError, match="no FK table 'TOYTABLE_7TEV'.*TOYTABLE_8TEV"):
        theory_of(name)


@pytest.mark.parametrize("content", ["", "not a table", "truncated"])
def test_a_corrupt_table_is_one_line_naming_the_file(world, dataset, content, capfd):
    path = world.table("T")
    path.write_bytes(path.read_bytes()[:60] if content == "truncated" else content.encode())
    with pytest.raises(InputError, match=r"T\.pineappl\.lz4: not a readable PineAPPL FK table") as caught:
        theory_of(dataset)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_tables_with_values_that_are_not_finite_are_refused(world, rng):
    table = rng.normal(size=(2, 1, 4))
    table[1, 0, 2] = np.nan
    world.add_table("BAD", table, X, [SINGLET])
    with pytest.raises(InputError, match=r"BAD\.pineappl\.lz4.*not finite"):
        theory_of(world.add_dataset("TOY", np.zeros(2), [["BAD"]]))


@pytest.mark.parametrize(
    "hadron", [Conv(ConvType(True, False), 2212), Conv(ConvType(False, True), 211)], ids=["polarised", "fragmentation"]
)
def test_only_unpolarised_protons_are_convolved(world, rng, hadron):
    world.add_table("T", rng.normal(size=(2, 1, 4)), X, [SINGLET], hadron=hadron)
    with pytest.raises(InputError, match=r"T\.pineappl\.lz4: expected unpolarised proton PDFs"):
        theory_of(world.add_dataset("TOY", np.zeros(2), [["T"]]))


def test_tables_of_another_scale_than_the_cards_are_refused(world, rng):
    world.add_table("T", rng.normal(size=(2, 1, 4)), X, [SINGLET], q0=1.3)
    with pytest.raises(InputError, match=r"'T' starts at Q0 = 1\.3 GeV, theory 'toy' says Q0 = 1\.65"):
        theory_of(world.add_dataset("TOY", np.zeros(2), [["T"]]))


def test_tables_shorter_than_the_data_are_refused_unless_cuts_take_those_points(world, dataset, rng):
    name = world.add_dataset("LONGER", np.zeros(5), [["T"]])
    with pytest.raises(InputError, match="LONGER_OBS.*no row for point 3 .2 missing of 5"):
        theory_of(name)
    assert len(predictions(name, proton(rng), kept=[0, 2])) == 2


def test_one_and_two_hadrons_do_not_mix_in_an_operand(world, dataset, rng):
    world.add_table("PP", rng.normal(size=(2, 1, 4, 4)), X, [(100, 100)])
    with pytest.raises(InputError, match="T, PP mix one and two hadrons"):
        theory_of(world.add_dataset("MIXED", np.zeros(5), [["T", "PP"]]))


def test_unknown_operations_and_wrong_numbers_of_operands_are_refused(world, dataset):
    with pytest.raises(InputError, match="unknown operation 'RATIOS'.*RATIO"):
        theory_of(world.add_dataset("A", np.zeros(3), [["T"], ["T"]], operation="ratios"))
    with pytest.raises(InputError, match="ASY takes 2 operands, 1 given"):
        theory_of(world.add_dataset("B", np.zeros(3), [["T"]], operation="ASY"))
    with pytest.raises(InputError, match="NULL takes 1 operands, 2 given"):
        theory_of(world.add_dataset("C", np.zeros(3), [["T"], ["T"]]))


def test_a_set_without_theory_says_so(world):
    for name, tables in (("A", []), ("B", [[]])):
        with pytest.raises(InputError, match=f"{name}_OBS.*no FK tables"):
            theory_of(world.add_dataset(name, np.zeros(3), tables))


@pytest.mark.parametrize("shift", [-1, "two", 1.5])
def test_shifts_are_numbers_of_rows(world, dataset, shift):
    with pytest.raises(InputError, match="shift of T is .*expected a number of rows"):
        theory_of(world.add_dataset("SHIFTED", np.zeros(3), [["T"]], shifts={"T": shift}))


def test_normalizations_are_numbers(world, dataset):
    with pytest.raises(InputError, match="normalization of T is 'half'"):
        theory_of(world.add_dataset("SCALED", np.zeros(3), [["T"]], normalization={"T": "half"}))


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["1.0 0.0"] * 2, "2 factors for an FK table of 3 bins"),
        (["1.0 0.0", "one 0.0", "1.0 0.0"], "expected 'central uncertainty' on each line"),
        (["1.0 0.0", "nan 0.0", "1.0 0.0"], "factor 2 is not a finite number"),
    ],
)
def test_a_bad_cfactor_file_is_named(world, dataset, lines, complaint):
    path = world.add_cfactor("QCD", "T", lines)
    with pytest.raises(InputError, match=f"{path.name}: {complaint}"):
        theory_of(dataset, cfac=["QCD"])


def test_a_missing_or_binary_cfactor_file_is_named(world, dataset):
    with pytest.raises(InputError, match=r"CF_EWK_T\.dat: cfactor file missing"):
        theory_of(dataset, cfac=["EWK"])
    world.add_cfactor("EWK", "T", []).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"CF_EWK_T\.dat: cfactor file missing or unreadable"):
        theory_of(dataset, cfac=["EWK"])


def test_an_unknown_theory_names_those_there_are(world):
    with pytest.raises(InputError, match="no theory 'toyy'.*nnlo, toy.*"):
        load_theory("toyy")


def test_a_theory_is_found_by_number_name_or_path(world):
    world.theory.rename(world.theory.with_name("theory_708"))
    for name in (708, "theory_708", str(world.theory.with_name("theory_708"))):
        assert load_theory(name).q0 == Q0


@pytest.mark.parametrize("value", ["", "fast", True, ".nan", "[1.65]"])
def test_a_card_without_a_number_for_q0_is_refused(world, value):
    (world.theory / "theory.yaml").write_text("".join(f"{k}: {value if k == 'Q0' else v}\n" for k, v in CARD.items()))
    with pytest.raises(InputError, match=r"theory\.yaml: Q0 = .*parametrisation scale"):
        load_theory("toy")


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "Q0: [", "\x00", "Q0: 2020-13-45"])
def test_a_file_that_is_no_card_is_refused(world, text):
    (world.theory / "theory.yaml").write_text(text)
    with pytest.raises(InputError, match=r"theory\.yaml: (cannot be read|expected a mapping)"):
        load_theory("toy")
