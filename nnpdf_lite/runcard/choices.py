"""What a runcard may choose from: names, their options and their defaults, as tables."""

from types import MappingProxyType

#: Flavours of each fitting basis, in the order in which the PDF model returns them.
FITBASES = MappingProxyType(
    {
        "EVOL": ("sng", "g", "v", "v3", "v8", "t3", "t8", "t15"),
        "CCBAR_ASYMM": ("sng", "g", "v", "v3", "v8", "t3", "t8", "t15", "v15"),
        "FLAVOUR": ("u", "ubar", "d", "dbar", "s", "sbar", "c", "g"),
        "NN31IC": ("sng", "g", "v", "v3", "v8", "t3", "t8", "cp"),
    }
)

#: Other spellings of a flavour found in published runcards.
FLAVOUR_ALIASES = MappingProxyType(
    {"sigma": "sng", "singlet": "sng", "gluon": "g"}
    | {name.upper(): name for name in ("v", "v3", "v8", "v15")}
    | {name.upper(): name for name in ("t3", "t8", "t15", "cp")}
)

#: Why a basis of n3fit is refused.
FITBASIS_HINTS = MappingProxyType(
    {"NN31PC": " Charm is always fitted here: write NN31IC, or EVOL."}
    | {name: " Polarised fits are not supported." for name in ("POLARIZED_EVOL", "POLARIZED_EVOL_CMP")}
)

FLAVOURS = tuple(dict.fromkeys(flavour for basis in FITBASES.values() for flavour in basis))

# NNPDF4.0's ranges, but alpha of V and V8 is lower: sum rules are integrated above x = 1e-9, and what evolution carries
# below is then less than a thousandth. v15 takes the ranges of v: the two coincide when charm equals anticharm.
_EVOLUTION_RANGES = {
    "sng": ((1.089, 1.119), (1.475, 3.119)),
    "g": ((0.7504, 1.098), (2.814, 5.669)),
    "v": ((0.479, 0.65), (1.549, 3.532)),
    "v3": ((0.1073, 0.4397), (1.733, 3.458)),
    "v8": ((0.45, 0.60), (1.516, 3.356)),
    "t3": ((-0.4506, 0.9305), (1.745, 3.424)),
    "t8": ((0.5877, 0.8687), (1.522, 3.515)),
    "t15": ((1.089, 1.141), (1.492, 3.222)),
    "v15": ((0.479, 0.65), (1.549, 3.532)),
}

#: Default ranges (smallx, largex) of the preprocessing exponents: those of NNPDF4.0's baseline fit. A basis that is
#: not listed has none, and the runcard must give them.
PREPROCESSING = MappingProxyType(
    {basis: {flavour: _EVOLUTION_RANGES[flavour] for flavour in FITBASES[basis]} for basis in ("EVOL", "CCBAR_ASYMM")}
)

#: Activations Keras knows by name that act on each node alone, then the three that n3fit adds.
ACTIVATIONS = (
    "tanh", "linear", "sigmoid", "relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "softplus", "softsign",
    "exponential", "leaky_relu", "relu6", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "log_sigmoid",
    "squareplus", "tanh_shrink", "square", "square_singlet", "modified_tanh",
)  # fmt: skip

#: Initialisers Keras knows by name that give different weights to different nodes.
INITIALIZERS = (
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "random_normal",
    "random_uniform", "truncated_normal", "variance_scaling", "orthogonal",
)  # fmt: skip

_ADAPTIVE = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}

#: Options of each optimiser with their defaults: NNPDF4.0's for Nadam, n3fit's (then Keras') for the others.
OPTIMIZERS = MappingProxyType(
    {
        "Nadam": {"learning_rate": 2.621e-3, "clipnorm": 6.073e-6, **_ADAPTIVE},
        "Adam": {"learning_rate": 0.01, "clipnorm": 1.0, **_ADAPTIVE, "amsgrad": False},
        "Amsgrad": {"learning_rate": 0.01, "clipnorm": 1.0, **_ADAPTIVE, "amsgrad": True},
        "Adamax": {"learning_rate": 0.001, "clipnorm": 1.0, **_ADAPTIVE},
        "Adadelta": {"learning_rate": 1.0, "clipnorm": 1.0, "rho": 0.95, "epsilon": 1e-7},
        "Adagrad": {"learning_rate": 0.001, "clipnorm": 1.0, "initial_accumulator_value": 0.1, "epsilon": 1e-7},
        "RMSprop": {
            "learning_rate": 0.01, "clipnorm": 1.0, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False
        },
        "SGD": {"learning_rate": 0.01, "clipnorm": 1.0, "momentum": 0.0, "nesterov": False},
        "LevenbergMarquardt": {"damping": 1000.0, "constraint_steps": 20},
    }
)  # fmt: skip

#: Options that n3fit's optimisers take beside the name; it refuses a card with others, even at their defaults.
N3FIT_OPTIMIZER_OPTIONS = MappingProxyType(
    {name: ("learning_rate", "clipnorm") for name in ("Nadam", "Adam", "Amsgrad", "Adadelta", "RMSprop")}
    | {name: ("clipnorm",) for name in ("Adagrad", "Adamax")}
    | {"SGD": ("learning_rate", "clipnorm", "momentum", "nesterov")}
)

#: Treatments and kinds of uncertainties that an inconsistent closure test may rescale.
TREATMENTS = ("ADD", "MULT")
SOURCES = ("CORR", "UNCORR", "THEORYCORR", "THEORYUNCORR", "SPECIAL")

#: Keys of older closure tests with the values that ask for nothing.
CLOSURE_WITHOUT_EFFECT = MappingProxyType(
    {"errorsize": 1, "rancutmethod": 0, "rancutprob": 1, "rancuttrnval": False, "printpdf4gen": False}
)

#: n3fit's keys that change the result and are not supported yet: reported, never ignored. Keys are dotted paths.
UNSUPPORTED = MappingProxyType(
    {
        "hyperscan_config.parameters": "choosing among whole sets of parameters",
        "hyperscan_config.use_tries_from": "scans of the trials of another scan",
        "closuretest.errorsize": "noise of another size than the uncertainties",
        "closuretest.rancutmethod": "random cuts",
        "closuretest.rancutprob": "random cuts",
        "closuretest.rancuttrnval": "random cuts",
        "closuretest.printpdf4gen": "printing the truth (a multi-fit test writes it to truth.csv)",
        "theorycovmatconfig": "theory covariance matrices",
        "fiatlux": "QED fits with a photon PDF",
        "positivity_bound": "polarised fits",
        "load": "starting from the weights of another fit",
        "load_weights_from_fit": "starting from the weights of another fit",
        "resample_negative_pseudodata": "resampling of negative pseudo-data",
        "separate_multiplicative": "separate sampling of multiplicative uncertainties",
        "filter_rules": "replacing the built-in cuts (add to them with 'added_filter_rules')",
        "use_t0_sampling": "pseudo-data drawn from another covariance than that of the fit",
        "default_filter_rules": "choosing among recorded sets of cuts",
        "default_filter_settings": "choosing among recorded sets of cuts",
        "filter_defaults": "a second place for cuts (write q2min and w2min in 'datacuts')",
        "datacuts.cuts_intersection_spec": "cuts that depend on other theories",
        "datacuts.unpolarized_bc": "polarised fits",
        "parameters.stopping_delta": "a minimal improvement of the validation loss",
    }
)

#: Values that switch an unsupported key off, where it is not ``false``.
OFF = MappingProxyType({"use_t0_sampling": True})

#: Keys of NNPDF's programs that have no part in a fit: dropped.
WITHOUT_PART = MappingProxyType(
    {name: "of NNPDF's reports" for name in ("meta", "template", "template_text", "actions_")}
    | {"data_grouping": "how NNPDF's tables group sets", "metadata_group": "how NNPDF's tables group sets"}
)

#: Keys that have another name or place today.
MOVED = MappingProxyType(
    {
        "t0theoryid": "theory.t0theoryid",
        "datacuts.t0theoryid": "theory.t0theoryid",
        "parameters.interpolation_points": "parameters.feature_scaling_points",
        "parameters.pos_initial": "parameters.positivity.initial",
        "parameters.pos_multiplier": "parameters.positivity.multiplier",
        "fitting.epochs": "parameters.epochs",
        "kfold.target": "kfold.fold_statistic",
    }
    | {f"fitting.{key}": key for key in ("trvlseed", "nnseed", "mcseed", "save", "genrep", "parameters")}
)
