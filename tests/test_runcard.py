"""What a runcard accepts, what it says when it does not, and that nothing else ever comes out."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnpdf_lite.errors import InputError
from nnpdf_lite.paths import shipped
from nnpdf_lite.runcard import Runcard, json_schema, load_runcard, parse_runcard, reference
from nnpdf_lite.runcard.choices import FITBASES, N3FIT_OPTIMIZER_OPTIONS, OPTIMIZERS, PREPROCESSING

ROOT = Path(__file__).parents[1]
SHARED = Path(__file__).parents[2] / "shared"
SHIPPED = ("dis_nnlo", "dis_nnlo_quick")
SMALL = {"dataset_inputs": [{"dataset": "A"}, {"dataset": "B"}], "theory": {"theoryid": "nnlo"}}


def card(**keys):
    """Return the smallest card with ``keys`` added."""
    return copy.deepcopy(SMALL) | keys


def mistake(mapping):
    """Return the message for a card that has mistakes."""
    with pytest.raises(InputError) as error:
        parse_runcard(mapping, source="card.yml")
    return str(error.value)


def write(folder, text):
    path = folder / "card.yml"
    path.write_text(text, encoding="utf-8")
    return path


# Shipped cards and defaults


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_cards_load_by_bare_name_and_by_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_runcard(name) == load_runcard(shipped("runcards") / f"{name}.yml")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_cards_list_the_reference_datasets(name):
    table = SHARED / "theory" / "reference" / "chi2.csv"
    if not table.exists():
        pytest.skip("reference numbers are not here")
    rows = [line.split(",")[:3] for line in table.read_text().splitlines()[1:]]
    inputs = load_runcard(name).dataset_inputs
    entries = [[entry.dataset, ",".join(entry.variant), ",".join(entry.cfac)] for entry in inputs]
    assert sorted(entries) == sorted(rows)


def test_shipped_cards_have_one_methodology_and_the_default_basis():
    cards = [load_runcard(name) for name in ("dis_nnlo", "dis_nnlo_quick", "dis_nnlo_closure", "dis_nnlo_hyperopt")]
    assert all((card.parameters, card.diagonal_frac) == (cards[0].parameters, cards[0].diagonal_frac) for card in cards)
    assert all(card.fitting == parse_runcard(SMALL).fitting for card in cards)


def test_defaults_are_the_methodology_of_nnpdf40():
    parameters = parse_runcard(SMALL).parameters
    assert parameters.nodes_per_layer == (25, 20, 8)
    assert parameters.activation_per_layer == ("tanh", "tanh", "linear")
    assert (parameters.optimizer.optimizer_name, parameters.epochs) == ("Nadam", 17000)
    assert (parameters.optimizer.learning_rate, parameters.optimizer.clipnorm) == (2.621e-3, 6.073e-6)
    assert (parameters.positivity.initial, parameters.integrability.initial) == (184.8, 10)
    assert (parameters.stopping_patience, parameters.threshold_chi2) == (0.1, 3.5)


@pytest.mark.parametrize("fitbasis", PREPROCESSING)
def test_last_layer_and_preprocessing_follow_the_basis(fitbasis):
    runcard = parse_runcard(card(fitting={"fitbasis": fitbasis}))
    assert runcard.parameters.nodes_per_layer[-1] == len(FITBASES[fitbasis])
    assert tuple(entry.fl for entry in runcard.fitting.basis) == FITBASES[fitbasis]


def test_feature_scaling_drops_the_default_large_x_exponents():
    runcard = parse_runcard(card(parameters={"feature_scaling_points": 5}))
    assert all(entry.largex is None for entry in runcard.fitting.basis)


def test_a_basis_in_another_order_is_put_in_order():
    basis = [{"fl": fl, "smallx": [0, 1], "largex": [1, 2]} for fl in reversed(FITBASES["FLAVOUR"])]
    fitting = parse_runcard(card(fitting={"fitbasis": "FLAVOUR", "basis": basis})).fitting
    assert tuple(entry.fl for entry in fitting.basis) == FITBASES["FLAVOUR"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_takes_its_own_defaults(name):
    optimizer = parse_runcard(card(parameters={"optimizer": {"optimizer_name": name}})).parameters.optimizer
    found = {"learning_rate": optimizer.learning_rate, "clipnorm": optimizer.clipnorm} | optimizer.options()
    assert {option: value for option, value in found.items() if value is not None} == OPTIMIZERS[name]


def test_amsgrad_is_adam_with_its_flag():
    optimizer = parse_runcard(card(parameters={"optimizer": {"optimizer_name": "Amsgrad"}})).parameters.optimizer
    assert (optimizer.optimizer_name, optimizer.amsgrad) == ("Adam", True)


def test_null_switches_clipping_off():
    parameters = {"optimizer": {"clipnorm": None}}
    assert parse_runcard(card(parameters=parameters)).parameters.optimizer.clipnorm is None


@pytest.mark.parametrize(("written", "kept"), [(True, "ALL"), ("all", "ALL"), ("vsr", "VSR"), (False, False)])
def test_sum_rules_have_one_spelling(written, kept):
    assert parse_runcard(card(fitting={"sum_rules": written})).fitting.sum_rules == kept


def test_variants_may_be_one_name_or_several():
    inputs = [{"dataset": "A", "variant": "legacy"}, {"dataset": "B", "variant": ["x", "y"], "cfac": "QCD"}]
    first, second = parse_runcard(card(dataset_inputs=inputs)).dataset_inputs
    assert (first.variant, second.variant, second.cfac) == (("legacy",), ("x", "y"), ("QCD",))


def test_switched_off_blocks_of_n3fit_are_no_mistake():
    off = card(fiatlux=None, load=False, closuretest={"fakedata": False, "filterseed": 1}, added_filter_rules=None)
    assert parse_runcard(off) == parse_runcard(SMALL)


def test_keys_of_nnpdfs_reports_are_dropped_and_sum_rules_may_stand_at_the_top():
    theirs = card(meta={"title": "x"}, template="report.md", actions_=["report(main=true)"], use_t0_sampling=True)
    assert parse_runcard(theirs) == parse_runcard(SMALL)
    assert parse_runcard(card(sum_rules="MSR")).fitting.sum_rules == "MSR"


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) & set(N3FIT_OPTIMIZER_OPTIONS)))
def test_a_dumped_card_has_no_option_that_n3fits_optimisers_refuse(name):
    dumped = yaml.safe_load(parse_runcard(card(parameters={"optimizer": {"optimizer_name": name}})).dump())
    options = dict(dumped["parameters"]["optimizer"])
    assert options.pop("optimizer_name") == name
    assert tuple(options) == N3FIT_OPTIMIZER_OPTIONS[name]


def test_the_card_of_a_fit_folder_has_no_key_that_nnpdfs_programs_use_for_something_else():
    full, kept = (yaml.safe_load(text) for text in (parse_runcard(SMALL).dump(), parse_runcard(SMALL).dump_for_folder()))
    assert full.pop("replicas") == 100
    assert kept == {key: value for key, value in full.items() if value is not None}, "some stop at hyperscan_config: null"
    assert parse_runcard(kept) == parse_runcard(SMALL)
    assert kept["theory"] == {"theoryid": SMALL["theory"]["theoryid"]}, "t0theoryid: null is a mistake to n3fit"


def test_a_runcard_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        parse_runcard(SMALL).replicas = 3


# Writing


ODD = card(
    description="line one\nline 'two' \u00e9 1e6: #",
    datacuts={"t0pdfset": "1e6", "q2min": 1e16, "w2min": 1e-30},
    theory={"theoryid": 40_000_000},
    parameters={"optimizer": {"optimizer_name": "SGD", "nesterov": True, "clipnorm": None}, "regularizer": "l2",
                "regularizer_args": {"l2": 1e-4}, "nodes_per_layer": [8], "epochs": 1e3},
    fitting={"sum_rules": False},
    added_filter_rules=[{"dataset": "A", "rule": "x > y", "local_variables": {"y": "=", "z": 1e-5}, "PTO": "NNLO+"}],
    tensorboard={"weight_freq": 3},
    save="weights.h5",
)  # fmt: skip


@pytest.mark.parametrize("mapping", [SMALL, ODD], ids=["small", "odd"])
def test_a_dumped_card_loads_back_equal(mapping, tmp_path):
    runcard = parse_runcard(mapping)
    assert load_runcard(write(tmp_path, runcard.dump())) == runcard
    assert parse_runcard(yaml.safe_load(runcard.dump())) == runcard, "readers of YAML 1.1 see the same card"


def test_a_dumped_card_holds_every_key():
    dumped = yaml.safe_load(parse_runcard(SMALL).dump())
    assert set(dumped) == set(Runcard.model_fields)
    assert set(dumped["parameters"]) == set(Runcard.model_fields["parameters"].annotation.model_fields)


# YAML


def test_numbers_are_those_of_yaml_1_2(tmp_path):
    text = """
dataset_inputs: [{dataset: A}]
theory: {theoryid: 40_000_000}
parameters: {epochs: 17e3, optimizer: {learning_rate: 2.e-3, clipnorm: 5e-6}}
positivity: {posdatasets: [{dataset: P, maxlambda: 1e6}]}
"""
    runcard = load_runcard(write(tmp_path, text))
    assert (runcard.theory.theoryid, runcard.parameters.epochs) == (40_000_000, 17_000)
    assert (runcard.parameters.optimizer.learning_rate, runcard.parameters.optimizer.clipnorm) == (2e-3, 5e-6)
    assert runcard.positivity.posdatasets[0].maxlambda == 1e6


def test_aliases_and_merges_work(tmp_path):
    text = "dataset_inputs: [&a {dataset: A, frac: 0.5}, {<<: *a, dataset: B}]\ntheory: {theoryid: nnlo}"
    assert [entry.frac for entry in load_runcard(write(tmp_path, text)).dataset_inputs] == [0.5, 0.5]


NINE = ",".join(["*x"] * 9)  # aliases of nine aliases of nine aliases...
ROUNDS = tuple(zip("abcdefg", "bcdefgh"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "expected keys with values"),
        ("theory: [1\nx: 2\n", "line 2"),
        ("replicas: 3\nreplicas: 4\n", "line 2: the key 'replicas' appears twice, first at line 1"),
        ("a: &x [*x]\n", "contains itself"),
        ("3: 4\n", "a key must be a word"),
        ("a: !!binary aGk=\n", "no place in a runcard"),
        ("a: !!python/object/apply:os.getcwd []\n", "unknown key"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("[" * 100_000, "too deep"),
        ("a: " + "[" * 50 + "]" * 50, "deep"),
        ("a: \x07", "not YAML"),
        ("a: &a [1]\n" + "".join(f"{c}: &{c} [{NINE.replace('x', b)}]\n" for b, c in ROUNDS), "values"),
        ("a: &a {z: 1}\n" + "".join(f"{c}: &{c} {{<<: [{NINE.replace('x', b)}]}}\n" for b, c in ROUNDS), "values"),
    ],
)  # fmt: skip
def test_text_that_is_no_runcard_is_refused_in_words(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        load_runcard(write(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "binary.yml", "not text in UTF-8"),
        (tmp_path / "missing.yml", "no such runcard"),
        ("dis_nnlo_quik", "Did you mean 'dis_nnlo_quick'"),
        ("a\0b", "cannot read|no such"),
        ("x" * 5000, "cannot read|no such"),
    ):
        with pytest.raises(InputError, match=words):
            load_runcard(path)


# Mistakes


def test_all_mistakes_come_in_one_message_with_their_lines(tmp_path):
    text = """
dataset_inputs:
  - {dataset: A, frac: 1.5}
  - {dataset: B, wieght: 2}
theory: {theoryid: nnlo}
epochs: 100
parameters:
  layer_type: dens
"""
    with pytest.raises(InputError) as error:
        load_runcard(write(tmp_path, text))
    first, *rest = str(error.value).splitlines()
    assert first.endswith("card.yml: 4 mistakes")
    assert [row.strip() for row in rest] == [
        "line 3, dataset_inputs[0].frac = 1.5: expected a number above 0 and at most 1",
        "line 4, dataset_inputs[1].wieght: unknown key. Did you mean 'weight'?",
        "line 6, epochs: unknown key. Did you mean 'parameters.epochs'?",
        "line 8, parameters.layer_type = 'dens': expected one of dense, dense_per_flavour. Did you mean 'dense'?",
    ]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"dataset_inputs": []}, "dataset_inputs = []: expected at least one entry"),
        ({"dataset_inputs": None}, "dataset_inputs: missing; expected a list of mappings"),
        ({"dataset_inputs": [{"dataset": "A"}] * 2}, "dataset_inputs[1].dataset: A is already in entry 0"),
        ({"dataset_inputs": [{"dataset": "../../etc"}]}, "expected a name"),
        ({"dataset_inputs": [{"dataset": "NNPDF_POS_X"}]}, "belongs in positivity.posdatasets"),
        ({"dataset_inputs": [{"dataset": "A", "sys": 10, "variant": "x"}]}, "[0].sys: has no place beside 'variant'"),
        ({"dataset_inputs": [{"dataset": "A", "frac": 1}], "diagonal_basis": False}, "no point is left for validation"),
        ({"diagonal_frac": 1}, "diagonal_frac = 1: expected a number above 0 and below 1"),
        ({"theory": {"theoryid": -1}}, "expected the number or the name of a theory"),
        ({"theory": "nnlo"}, "theory = 'nnlo': expected a mapping with keys such as theoryid"),
        ({"replicas": True}, "replicas = true: expected a whole number"),
        ({"replicas": 2.5}, "replicas = 2.5"),
        ({"mcseed": 10**5000}, "mcseed = <int>: expected a whole number at least 0"),
        ({"datacuts": {"q2min": float("nan")}}, "datacuts.q2min = nan: expected a number at least 0"),
        ({"datacuts": {"w2min": float("inf")}}, "datacuts.w2min = inf"),
        ({"datacuts": {"use_cuts": "fromfit"}}, "expected one of internal, nocuts"),
        ({"hyperscan_config": {"parameters": []}}, "not supported yet"),
        ({"load": "weights.h5"}, "not supported yet"),
        ({"parameters": {"interpolation_points": 40}}, "write parameters.feature_scaling_points instead"),
        ({"fitting": {"mcseed": 1}}, "fitting.mcseed: write mcseed instead"),
        ({"parameters": {"activation_per_layer": ["tanh"]}}, "1 activations for the 3 layers"),
        ({"parameters": {"nodes_per_layer": [25, 20, 9]}}, "nodes_per_layer[2]: the last layer has 9 nodes"),
        ({"parameters": {"activation_per_layer": ["tahn"]}}, "[0] = 'tahn': unknown. Did you mean 'tanh'?"),
        ({"parameters": {"activation_per_layer": ["square_singlet"] * 3}}, "only the last layer"),
        ({"parameters": {"optimizer": {"optimizer_name": "Adam", "rho": 0.9}}}, "rho: not an option of Adam"),
        ({"parameters": {"dropout": 0.1, "layer_type": "dense_per_flavor"}}, "dropout needs layer_type: dense"),
        ({"parameters": {"regularizer": "l2"}}, "needs l2 above 0"),
        ({"parameters": {"regularizer_args": {"l1": 1}}}, "has no effect with regularizer: null"),
        ({"fitting": {"fitbasis": "NN31IC"}}, "NN31IC has no default ranges"),
        ({"fitting": {"fitbasis": "NN31PC"}}, "Charm is always fitted here"),
        ({"fitting": {"fitbasis": "POLARIZED_EVOL"}}, "Polarised fits are not supported"),
        ({"use_t0_sampling": False}, "not supported yet"),
        ({"datacuts": {"t0theoryid": 1}}, "write theory.t0theoryid instead"),
        ({"sum_rules": "MSR", "fitting": {"sum_rules": "VSR"}}, "sum_rules: unknown key. Did you mean 'fitting.sum_rules'?"),
        ({"fitting": {"fitbasis": "FLAVOUR"}}, "FLAVOUR has no default ranges"),
        ({"fitting": {"basis": [{"fl": "g", "smallx": [0, 1], "largex": [2, 1]}]}}, "low <= high"),
        ({"fitting": {"basis": [{"fl": "g", "smallx": [0, 1], "largex": [1, 2]}] * 2}}, "g is already in entry 0"),
        ({"fitting": {"basis": [{"fl": "u", "smallx": [0, 1]}]}}, "u is not in EVOL"),
        ({"fitting": {"sum_rules": "TSR"}}, "expected true, ALL, MSR, VSR or false"),
        ({"positivity": {"posdatasets": [{"dataset": "P"}]}}, "[0].maxlambda: missing; expected a number above 0"),
        ({"positivity": {"posdatasets": [{"dataset": "P", "maxlambda": 3}]}}, "3 is below the first multiplier"),
        ({"added_filter_rules": [{"rule": "x > 0.1"}]}, "needs either a dataset or a process_type"),
        ({"added_filter_rules": [{"dataset": "A", "rule": "x", "PTO": "two"}]}, "a perturbative order"),
        ({"description": "\ud800"}, "expected text in Unicode"),
        ({"description": {1, 2}}, "expected a text, a number, a list or a mapping"),
        ({"tensorboard": {"x" * 90 + "\n": 1}}, "tensorboard.'xxx"),
    ],
)  # fmt: skip
def test_a_mistake_is_explained(keys, words):
    assert words in mistake(card(**keys))


def test_large_x_exponents_belong_to_fits_without_feature_scaling():
    without = [{"fl": fl, "smallx": [0, 1]} for fl in FITBASES["EVOL"]]
    with_ = [entry | {"largex": [1, 2]} for entry in without]
    assert "largex of sng, g, v" in mistake(card(fitting={"basis": without}))
    scaled = {"feature_scaling_points": 5}
    assert "has no place" in mistake(card(fitting={"basis": with_}, parameters=scaled))
    assert parse_runcard(card(fitting={"basis": without}, parameters=scaled))


# Mutations: whatever is done to a card, it loads or it is explained


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([10**400, -(10**400), 10**5000, 2**63, 0, -1]),
    st.floats(), st.text(max_size=12), st.sampled_from(["1e6", "nan", ".inf", "<<", "=", "~", "\ud800", "\x00", ""]),
    st.recursive(st.integers() | st.floats() | st.text(max_size=3) | st.none(),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    st.integers(2, 60).map(lambda depth: json.loads("[" * depth + "]" * depth)),
    st.dates(), st.binary(max_size=3), st.sets(st.integers(), max_size=2), st.complex_numbers(),
)  # fmt: skip
KEYS = st.sampled_from([*Runcard.model_fields, "closuretest", "sys", "fl"]) | st.text(max_size=8)
FULL = yaml.safe_load(load_runcard("dis_nnlo").dump())


def places(value, path=()):
    """Return the path of every key and item in ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in ((*path, key), *places(item, (*path, key)))]


@st.composite
def mutated(draw):
    mapping = draw(st.sampled_from([SMALL, ODD, FULL]))
    mapping = copy.deepcopy(mapping)
    for _ in range(draw(st.integers(1, 4))):
        choices = places(mapping)
        if not choices:
            break
        *above, last = draw(st.sampled_from(choices))
        parent = mapping
        for key in above:
            parent = parent[key]
        action = draw(st.sampled_from(["drop", "rename", "replace", "repeat", "add"]))
        if action == "drop":
            del parent[last]
        elif action == "rename" and isinstance(parent, dict):
            parent[draw(KEYS | st.just(str(last)[:-1]) | st.integers())] = parent.pop(last)
        elif action == "repeat" and isinstance(parent, list):
            parent.append(parent[last])
        elif action == "add" and isinstance(parent, dict):
            parent[draw(KEYS)] = draw(VALUES)
        else:
            parent[last] = draw(VALUES)
    return mapping


def loads_or_explains(read):
    try:
        runcard = read()
    except InputError as error:
        assert str(error)
        str(error).encode()
        return
    assert isinstance(runcard, Runcard)
    assert parse_runcard(yaml.safe_load(runcard.dump())) == runcard


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_mutated_card_loads_or_is_explained(mapping):
    loads_or_explains(lambda: parse_runcard(mapping))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_mutated_file_loads_or_is_explained(tmp_path_factory, mapping):
    try:
        text = yaml.safe_dump(mapping)
    except (yaml.YAMLError, ValueError):  # values that YAML cannot write
        return
    path = tmp_path_factory.mktemp("card") / "card.yml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    loads_or_explains(lambda: load_runcard(path))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_text_loads_or_is_explained(tmp_path_factory, data):
    text = (shipped("runcards") / "dis_nnlo_quick.yml").read_bytes()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 40)))
    patch = data.draw(st.binary(max_size=10) | st.text("[]{}:,&*!|>-? \n\t'\"#%@`0e.", max_size=10).map(str.encode))
    path = tmp_path_factory.mktemp("card") / "card.yml"
    path.write_bytes(text[:start] + patch + text[stop:])
    loads_or_explains(lambda: load_runcard(path))


# Renderings


def test_json_schema_lists_every_key_and_no_other():
    schema = json_schema()
    json.dumps(schema, allow_nan=False)
    assert set(schema["properties"]) == set(Runcard.model_fields)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"dataset_inputs", "theory"}


def test_the_reference_page_is_up_to_date():
    page = ROOT / "docs" / "runcard.md"
    if not page.exists():
        pytest.skip("the documentation is not here")
    assert page.read_text(encoding="utf-8") == reference(), "run: python -m nnpdf_lite.runcard > docs/runcard.md"


def test_reading_runcards_needs_nothing_heavy():
    code = "import sys, nnpdf_lite.runcard; print(*{'numpy', 'pandas', 'scipy', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not done.stdout.strip()
