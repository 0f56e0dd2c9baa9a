"""Data of closure tests: made from a truth, with the noise that the uncertainties say, at each level."""

import copy
import dataclasses
import shutil

import numpy as np
import pytest
import yaml
from scipy.linalg import solve_triangular
from toy_theory import Q0, ToyWorld, write_fk_table

from nnpdf_lite.data import (
    covariance,
    left_out_points,
    level1_noise,
    load_dataset,
    publication_year,
    rescale_uncertainties,
)
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.preparation import replica_data
from nnpdf_lite.fit.problem import build_problem, measured_problem, set_predictions
from nnpdf_lite.runcard import parse_runcard

TRUTH = "NNPDFLITE_dis_nnlo"
HERA = "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"


@pytest.fixture
def level(closure_card):
    """Return the parsed card of a level."""

    def card(number, **settings):
        closure_card["genrep"] = number == 2
        closure_card["closuretest"] |= {"fakenoise": number > 0, **settings}
        return parse_runcard(closure_card)

    return card


@pytest.fixture(scope="module")
def truth(small_problem):
    return set_predictions(TRUTH, small_problem.theories, small_problem.card)[0]


# --- levels ---------------------------------------------------------------------------------------


def test_level_0_fits_the_truth_itself(level, truth):
    card = level(0)
    problem = build_problem(card)
    assert np.array_equal(problem.central, truth)
    assert np.array_equal(replica_data(problem, card, [1, 2]), [truth, truth])


def test_level_1_adds_one_noise_to_all_replicas(level, truth):
    card = level(1)
    problem = build_problem(card)
    assert np.array_equal(*replica_data(problem, card, [1, 2]))
    assert np.array_equal(problem.central, truth + level1_noise(measured_problem(card).datasets, truth, 10))


def test_level_2_adds_noise_of_each_replica_to_that_of_level_1(level):
    ones, twos = level(1), level(2)
    problem = build_problem(twos)
    assert np.array_equal(problem.central, build_problem(ones).central)
    first, second = replica_data(problem, twos, [1, 2]) - problem.central
    for noise in (first, second):  # 191 points: the chi2 per point scatters by 0.10
        assert np.mean(solve_triangular(problem.cholesky, noise, lower=True) ** 2) == pytest.approx(1, abs=0.4)
    assert not np.allclose(first, second)


def test_without_closuretest_the_measurements_are_fitted(small_card, closure_card):
    closure_card["closuretest"]["fakedata"] = False
    off = parse_runcard(closure_card)
    assert off.closuretest is None and off == parse_runcard(small_card)
    assert np.array_equal(build_problem(off).central, measured_problem(off).central)


# --- noise ----------------------------------------------------------------------------------------


def test_noise_has_the_covariance_of_the_data_around_the_truth(small_problem, truth):
    """Sets that share systematics and multiplicative errors among them: 500 draws, chi2 and every element."""
    datasets, n = small_problem.datasets, 500
    noise = np.array([level1_noise(datasets, truth, seed) for seed in range(n)])
    expected = covariance(datasets, truth)
    white = solve_triangular(np.linalg.cholesky(expected), noise.T, lower=True)
    assert np.mean(white**2) == pytest.approx(1, abs=5 * np.sqrt(2 / white.size))
    sigma = np.sqrt(np.diag(expected))
    error = np.sqrt((np.outer(sigma, sigma) ** 2 + expected**2) / n)
    # 191 x 192 / 2 elements: the largest of so many lies at 4.3 standard errors
    assert (np.abs(np.cov(noise, rowvar=False) - expected) < 5.5 * error).all()


def test_noise_of_a_set_does_not_depend_on_other_sets_or_cuts(small_problem, truth):
    datasets = small_problem.datasets
    whole = np.split(level1_noise(datasets, truth, 3), np.cumsum([len(d) for d in datasets])[:-1])
    truths = np.split(truth, np.cumsum([len(d) for d in datasets])[:-1])
    for dataset, predicted, noise in zip(datasets, truths, whole):
        assert np.array_equal(level1_noise([dataset], predicted, 3), noise)
        assert level1_noise([dataset.select([5, 2])], predicted[[5, 2]], 3) == pytest.approx(noise[[5, 2]], rel=1e-9)


def test_sets_that_share_a_source_move_together():
    """Two HERA sets of one beam have their common systematics in common."""
    pair = [load_dataset(f"HERA_CC_318GEV_{beam}-SIGMARED", "legacy") for beam in ("EP", "EM")]
    predicted = np.concatenate([d.central for d in pair])
    noise = np.array([level1_noise(pair, predicted, seed) for seed in range(300)])
    found, expected = np.cov(noise, rowvar=False), covariance(pair, predicted)
    block = np.s_[: len(pair[0]), len(pair[0]) :]
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.mean((found / scale)[block]) == pytest.approx(np.mean((expected / scale)[block]), abs=0.02)
    assert np.mean((expected / scale)[block]) > 0.005


def test_seeds_give_independent_noise(small_problem, truth):
    factor = np.linalg.cholesky(covariance(small_problem.datasets, truth))
    pair = [level1_noise(small_problem.datasets, truth, seed) for seed in (1, 2)]
    first, second = (solve_triangular(factor, noise, lower=True) for noise in pair)
    assert abs(np.mean(first * second)) < 4 / np.sqrt(len(truth))


def test_multiplicative_errors_keep_their_relative_size(level):
    problem, measured = build_problem(level(2)), measured_problem(level(2))
    for fake, real in zip(problem.datasets, measured.datasets):
        mult = real.uncertainties.treatment == "MULT"
        for dataset in (fake, real):
            assert (dataset.uncertainties.treatment == real.uncertainties.treatment).all()
        relative = [d.uncertainties.values[:, mult] / d.central[:, None] for d in (fake, real)]
        assert relative[0] == pytest.approx(relative[1], rel=1e-12)
        assert np.array_equal(fake.uncertainties.values[:, ~mult], real.uncertainties.values[:, ~mult])
    assert np.array_equal(problem.cholesky, measured.cholesky)  # t0 errors are those of the t0 set, not of the data
    assert covariance(problem.datasets, problem.t0_predictions) == pytest.approx(
        covariance(measured.datasets, measured.t0_predictions), rel=1e-10, abs=1e-15
    )


def test_without_t0_the_made_data_scale_the_errors(level, closure_card):
    closure_card["datacuts"]["t0pdfset"] = None
    problem = build_problem(level(1))
    assert problem.cholesky @ problem.cholesky.T == pytest.approx(covariance(problem.datasets), rel=1e-9, abs=1e-15)


# --- truths ---------------------------------------------------------------------------------------


def test_a_member_or_a_fit_can_be_the_truth(level, tiny_fit, tmp_path):
    import nnpdf_lite

    copy_of_fit = shutil.copytree(tiny_fit, tmp_path / "renamed", symlinks=True)
    card = level(0, fakepdf=str(copy_of_fit))
    with pytest.raises(InputError, match=r"closuretest.fakepdf: .*renamed is a fit without an LHAPDF set; write it with"):
        build_problem(card)
    fit = nnpdf_lite.load_fit(copy_of_fit)
    fit.to_lhapdf()
    predictions = fit.predictions()
    moved = copy_of_fit.rename(tmp_path / "moved")
    for name, expected in ((str(moved), predictions[0]), (f"{moved}/2", predictions[2])):
        central = build_problem(level(0, fakepdf=name)).central
        assert central == pytest.approx(expected, rel=2e-3)  # LHAPDF's interpolation at the edge of its grid


def shape(x):
    return (1 - x) ** 3


@pytest.fixture
def two_theories(tmp_path, monkeypatch):
    """Theories ``toy`` and ``other``, whose predictions of one set are 1.5 times those of the first."""
    monkeypatch.setenv("NNPDF_LITE_PATH", str(tmp_path))
    toy = ToyWorld(tmp_path)
    x = np.geomspace(1e-3, 0.9, 10)
    table = np.eye(3, 10, 4)[:, None, :] * shape(x)
    toy.add_table("SET", np.concatenate([table, 0.3 * table], axis=1), x, [(100,), (21,)])
    name = toy.add_dataset("TOY_SET", [1.0, 1.0, 1.0], [["SET"]])
    other = tmp_path / "theory_grids" / "other"
    shutil.copytree(toy.theory, other)
    write_fk_table(
        other / "fastkernel" / "SET.pineappl.lz4", 1.5 * np.concatenate([table, 0.3 * table], axis=1), x, [(100,), (21,)]
    )
    return name


def test_data_of_one_theory_are_fitted_with_another(two_theories):
    card = {
        "dataset_inputs": [{"dataset": two_theories}], "theory": {"theoryid": "toy"}, "genrep": False,
        "datacuts": {"t0pdfset": TRUTH},
        "closuretest": {"fakedata": True, "fakepdf": TRUTH},
    }  # fmt: skip
    same = build_problem(parse_runcard(card))
    card["closuretest"]["faketheoryid"] = "other"
    other = build_problem(parse_runcard(card))
    assert other.central == pytest.approx(1.5 * same.central)
    assert other.card.name == "toy"
    card["closuretest"]["faketheoryid"] = "othr"
    with pytest.raises(InputError, match="closuretest.faketheoryid: .*Did you mean 'other'"):
        build_problem(parse_runcard(card))


def cut_set(folder, name, change):
    """Write a small LHAPDF set that ``change`` (x, flavours) -> (x, flavours) makes of x and partons; returns its path."""
    x, pids = change(np.geomspace(1e-9, 1, 50), [-4, -3, -2, -1, 21, 1, 2, 3, 4])
    path = folder / name
    path.mkdir()
    q = [1.0, Q0, 2.0, 10.0, 100.0]
    info = {"SetDesc": "", "NumMembers": 1, "Format": "lhagrid1", "Flavors": pids, "AlphaS_Qs": q, "AlphaS_Vals": [0.3] * 5}
    (path / f"{name}.info").write_text(yaml.safe_dump(info))
    lines = [" ".join(map(str, values)) for values in (x, q, pids)]
    lines += [" ".join([f"{0.1 * (1 - point) ** 3:.6e}"] * len(pids)) for point in x for _ in q]
    (path / f"{name}_0000.dat").write_text("PdfType: central\nFormat: lhagrid1\n---\n" + "\n".join(lines) + "\n---\n")
    return str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, pids: (x[x > 1e-2], pids), r"begins at x = 0.0146, but dataset 'HERA_NC.*' needs PDFs down to x = 5.61e-06"),
        (lambda x, pids: (x, [p for p in pids if abs(p) != 4]), "but not 4, -4, which theory 'nnlo' has at Q0 = 1.65 GeV"),
        (lambda x, pids: (x, [p for p in pids if p != -3]), "but not -3, which"),
    ],
)
def test_a_truth_that_does_not_cover_what_is_needed_is_refused(closure_card, tmp_path, change, message):
    closure_card["dataset_inputs"] = [{"dataset": HERA, "variant": "legacy"}]
    closure_card["closuretest"]["fakepdf"] = cut_set(tmp_path, "CUT", change)
    with pytest.raises(InputError, match=rf"closuretest.fakepdf: .*CUT {message}|closuretest.fakepdf: .*CUT holds .*{message}"):
        build_problem(parse_runcard(closure_card))


def test_an_unknown_truth_gets_the_nearest_name(level):
    with pytest.raises(InputError, match="closuretest.fakepdf: .*Did you mean 'NNPDFLITE_dis_nnlo'"):
        build_problem(level(2, fakepdf="NNPDFLITE_dis_nlo"))


# --- inconsistent data ----------------------------------------------------------------------------


def inconsistent(card, factor, kinds=("CORR", "SPECIAL"), treatments=("ADD", "MULT")):
    card = copy.deepcopy(card)
    card["closuretest"]["inconsistent_fakedata"] = True
    card["inconsistent_data_settings"] = {
        "treatment_names": list(treatments), "names_uncertainties": list(kinds),
        "inconsistent_datasets": [HERA], "sys_rescaling_factor": factor,
    }  # fmt: skip
    return parse_runcard(card)


def test_the_noise_of_inconsistent_data_is_that_of_the_true_errors(closure_card):
    consistent = build_problem(parse_runcard(closure_card))
    wrong = build_problem(inconsistent(closure_card, 0.0))
    assert np.array_equal(wrong.central, consistent.central)
    names = np.repeat([d.name for d in wrong.datasets], [len(d) for d in wrong.datasets])
    here = names == HERA
    found, expected = (p.cholesky @ p.cholesky.T for p in (wrong, consistent))
    assert found[np.ix_(~here, ~here)] == pytest.approx(expected[np.ix_(~here, ~here)])
    block = found[np.ix_(here, here)]
    assert block == pytest.approx(np.diag(np.diag(block)))
    assert (np.diag(block) < np.diag(expected)[here]).all()


def test_a_factor_of_one_changes_nothing(closure_card):
    same, consistent = build_problem(inconsistent(closure_card, 1.0)), build_problem(parse_runcard(closure_card))
    assert np.array_equal(same.cholesky, consistent.cholesky) and np.array_equal(same.central, consistent.central)


@pytest.mark.parametrize(
    ("kinds", "treatments", "expected"),
    [
        (["CORR"], ["ADD"], [1, 1, 0.5, 1, 1, 1]),
        (["CORR"], ["MULT"], [1, 1, 1, 0.5, 1, 1]),
        (["UNCORR"], ["ADD"], [1, 0.5, 1, 1, 1, 1]),
        (["SPECIAL"], ["ADD", "MULT"], [1, 1, 1, 1, 0.5, 1]),
        (["SPECIAL", "UNCORR", "CORR"], ["ADD", "MULT"], [1, 0.5, 0.5, 0.5, 0.5, 1]),
    ],
)
def test_what_is_rescaled_is_chosen_by_kind_and_treatment_and_never_statistical(kinds, treatments, expected):
    dataset = load_dataset(HERA, "legacy")
    sources = dataclasses.replace(
        dataset.uncertainties,
        values=np.ones((len(dataset), 6)),
        names=np.array(["stat", "a", "b", "c", "d", "e"]),
        kind=np.array(["UNCORR", "UNCORR", "CORR", "CORR", "HC_delta_1", "SKIP"]),
        treatment=np.array(["ADD", "ADD", "ADD", "MULT", "MULT", "ADD"]),
    )
    card = {
        "treatment_names": treatments, "names_uncertainties": kinds, "inconsistent_datasets": [HERA],
        "sys_rescaling_factor": 0.5,
    }  # fmt: skip
    settings = type("Settings", (), card)
    found = rescale_uncertainties(dataclasses.replace(dataset, uncertainties=sources), settings)
    assert found.uncertainties.values[3].tolist() == expected
    settings.inconsistent_datasets = ["another"]
    assert rescale_uncertainties(dataset, settings) is dataset


# --- data left out --------------------------------------------------------------------------------


def leaving_out(card, **what):
    return parse_runcard({**card, "left_out": what})


def test_data_left_out_are_not_fitted_and_have_the_same_noise(closure_card):
    whole = build_problem(parse_runcard(closure_card))
    names = np.repeat([d.name for d in whole.datasets], [len(d) for d in whole.datasets])
    part = build_problem(leaving_out(closure_card, datasets=[HERA]))
    assert HERA not in [d.name for d in part.datasets]
    assert np.array_equal(part.central, whole.central[names != HERA])
    everything = measured_problem(leaving_out(closure_card, datasets=[HERA]), left_out=True)
    assert everything.n_data == whole.n_data


def test_an_edge_keeps_the_points_that_fulfil_it(closure_card):
    part = build_problem(leaving_out(closure_card, edge="x > 0.1 and Q2 < 50"))
    for dataset in part.datasets:
        assert ((dataset.kinematics.x > 0.1) & (dataset.kinematics.Q2 < 50)).all()
    assert 0 < part.n_data < build_problem(parse_runcard(closure_card)).n_data


def test_dates_come_from_the_journal_or_from_arxiv(closure_card):
    years = {"SLAC_NC_NOTFIXED_P_EM-F2": 1992, "NMC_NC_NOTFIXED_EM-F2": 1997, HERA: 2018}
    for name, year in years.items():
        assert publication_year(load_dataset(name, "legacy")) == year
    dataset = dataclasses.replace(load_dataset(HERA), citation={"arxiv": "https://arxiv.org/abs/hep-ex/9611022"})
    assert publication_year(dataset) == 1996
    assert {d.name for d in build_problem(leaving_out(closure_card, published_after=1997)).datasets} == set(years) - {HERA}
    with pytest.raises(InputError, match="the metadata of NUTEV.* give no year of publication; name it"):
        publication_year(load_dataset("NUTEV_CC_NOTFIXED_FE_NB-SIGMARED", "legacy"))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({}, "left_out: leaves nothing out; expected datasets, published_after or edge"),
        ({"datasets": ["HERA_CHARM"]}, r"left_out.datasets\[0\]: HERA_CHARM is not in dataset_inputs"),
        ({"edge": "Q2"}, "left_out.edge: 'Q2' is a number, expected a condition"),
        ({"edge": "Q > 3"}, "unknown variable 'Q', expected one of x, Q2, y. Did you mean 'Q2'"),
        ({"edge": "x > 2"}, "leave no data outside left_out"),
    ],
)
def test_mistakes_in_what_is_left_out_are_named(closure_card, what, message):
    with pytest.raises(InputError, match=message):
        build_problem(leaving_out(closure_card, **what))


def test_left_out_points_of_a_set_by_name(closure_card):
    dataset = load_dataset(HERA)
    settings = parse_runcard({**closure_card, "left_out": {"datasets": [HERA]}}).left_out
    assert left_out_points(dataset, settings).all()
    assert not left_out_points(load_dataset("SLAC_NC_NOTFIXED_P_EM-F2", "legacy"), settings).any()


# --- runcards -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"closuretest": {"fakedata": True}}, "closuretest.fakepdf: missing; with fakedata: true expected the name"),
        ({"closuretest": {"fakenoise": True}}, "closuretest.fakedata: the other keys have no effect with fakedata: false"),
        ({"closuretest": {"fakedata": True, "fakepdf": "X"}}, "false with genrep: true is no level; level 0 is"),
        (
            {"closuretest": {"fakedata": True, "fakepdf": "X", "inconsistent_fakedata": True}, "genrep": False},
            "closuretest.inconsistent_fakedata: needs fakenoise: true",
        ),
        (
            {"closuretest": {"fakedata": True, "fakepdf": "X", "fakenoise": True, "inconsistent_fakedata": True}},
            "inconsistent_data_settings: missing",
        ),
        ({"closuretest": {"fakedata": True, "fakepdf": "X", "fakenois": True}}, "Did you mean 'fakenoise'"),
        ({"closuretest": {"fakedata": True, "fakepdf": "X", "fakenoise": True, "errorsize": 2.0}}, "not supported yet"),
        ({"inconsistent_data_settings": {"treatment_names": ["MULTI"]}}, "Did you mean 'MULT'"),
        ({"inconsistent_data_settings": {}}, "inconsistent_datasets: empty: no uncertainty would be rescaled"),
    ],
)
def test_contradictions_are_named(small_card, change, message):
    with pytest.raises(InputError) as error:
        parse_runcard({**small_card, **change})
    assert message in str(error.value)


def test_sets_of_an_inconsistency_must_be_fitted(closure_card):
    closure_card["dataset_inputs"] = closure_card["dataset_inputs"][:2]
    with pytest.raises(InputError, match=f"{HERA} is not in dataset_inputs"):
        inconsistent(closure_card, 0.5)


def test_published_closure_tests_load_as_they_are(small_card):
    """The block of NNPDF4.0's runcards, with keys of older codes; the settings may stand in either place."""
    old = {"filterseed": 1, "fakedata": True, "fakepdf": TRUTH, "errorsize": 1.0, "fakenoise": True, "rancutprob": 1.0,
           "rancutmethod": 0, "rancuttrnval": False, "printpdf4gen": False}  # fmt: skip
    card = parse_runcard({**small_card, "closuretest": old})
    assert card.closuretest.filterseed == 1
    settings = inconsistent({**small_card, "closuretest": dict(old)}, 0.3).inconsistent_data_settings.model_dump()
    inside = {**old, "inconsistent_fakedata": True, "inconsistent_data_settings": settings}
    assert parse_runcard({**small_card, "closuretest": inside}).inconsistent_data_settings.sys_rescaling_factor == 0.3
