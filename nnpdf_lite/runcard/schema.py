"""The keys of a runcard, block by block: n3fit's keys, with what each may hold and its default."""

import copy
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from . import checks, hyperopt_checks, kinds
from .block import Block
from .choices import (
    ACTIVATIONS,
    FITBASES,
    FITBASIS_HINTS,
    FLAVOUR_ALIASES,
    FLAVOURS,
    INITIALIZERS,
    N3FIT_OPTIMIZER_OPTIONS,
    OPTIMIZERS,
)
from .closure_schema import ClosureTest, InconsistentData, LeftOut
from .defaults import complete, default_basis
from .hyperopt_schema import HyperScan, KFold, TrialSpecs
from .kinds import number
from .optimizer_schema import Optimizer
from .yaml_format import write_yaml


class DatasetInput(Block):
    """One measurement of the fit."""

    dataset: kinds.Name = Field(description="Name of the dataset.")
    variant: kinds.Names = Field((), description="Variant, or a list of variants, of the commondata.")
    sys: number(0, 10_000, whole=True, nullable=True) = Field(
        None, description="Number of an old treatment of systematic uncertainties, with an old name; write a variant today."
    )
    cfac: kinds.Names = Field((), description="C-factors that multiply the predictions.")
    frac: number(above=0, upper=1) = Field(
        0.75, description="Fraction of its points used for training; only without `diagonal_basis`."
    )
    weight: kinds.Positive = Field(1.0, description="Weight in the chi2 of the fit.")
    custom_group: kinds.MaybeName = Field(None, description="Group the dataset is listed under.")

    _check = model_validator(mode="after")(checks.raising(checks.dataset_input))


class DataCuts(Block):
    """Kinematic cuts and the PDF set that defines the t0 covariance."""

    t0pdfset: kinds.PdfSet = Field(
        None, description="PDF set whose predictions scale multiplicative errors; null: the data scale them."
    )
    q2min: kinds.NonNegative = Field(3.49, description="Keep points with Q2 above this, in GeV2.")
    w2min: kinds.NonNegative = Field(12.5, description="Keep DIS points with W2 above this, in GeV2.")
    maxTau: kinds.Positive = Field(0.080, description="Upper limit on tau for the rules of fixed-target Drell-Yan.")
    use_cuts: kinds.choice(("internal", "nocuts")) = Field(
        "internal", description="`internal`: all cuts and rules; `nocuts`: every point."
    )


class Theory(Block):
    """Which theory the FK tables come from."""

    theoryid: kinds.TheoryId = Field(description="Name or number of the theory: a folder of `theory_grids`.")
    t0theoryid: kinds.MaybeTheoryId = Field(None, description="Theory of the t0 predictions; null: `theoryid`.")


class Multipliers(Block):
    """Lagrange multiplier of a constraint, raised every 100 epochs, or at the first `constraint_steps` of LevenbergMarquardt."""

    initial: kinds.MaybePositive = Field(
        None, description="First value; null: 1, or what reaches `maxlambda` at the last epoch with `multiplier`."
    )
    multiplier: kinds.MaybePositive = Field(
        None, description="Factor at each raise; null: what reaches `maxlambda` at the last epoch."
    )


class PositivityMultipliers(Multipliers):
    """Lagrange multiplier of positivity, raised every 100 epochs, or at the first `constraint_steps` of LevenbergMarquardt."""

    threshold: kinds.Positive = Field(1e-6, description="A replica passes when no set's violation exceeds this.")


class IntegrabilityMultipliers(Multipliers):
    """Lagrange multiplier of integrability, raised every 100 epochs, or at the first `constraint_steps` of LevenbergMarquardt."""

    threshold: kinds.Positive = Field(1e-2, description="Accepted, without effect: postfit judges integrability.")


class RegularizerArgs(Block):
    """Strength of the weight penalties."""

    l1: kinds.NonNegative = Field(0.0, description="Factor of the sum of |w|.")
    l2: kinds.NonNegative = Field(0.0, description="Factor of the sum of w^2.")


class Parameters(Block):
    """The model and its training."""

    nodes_per_layer: tuple[number(1, 10_000, whole=True), ...] = Field(
        (25, 20, 8), description="Nodes of each layer; the last has one per flavour of `fitbasis`.", min_length=1
    )
    activation_per_layer: tuple[kinds.choice(ACTIVATIONS), ...] = Field(
        ("tanh", "tanh", "linear"), description="Activation of each layer; tanh, then linear by default.", min_length=1
    )
    initializer: kinds.choice(INITIALIZERS) = Field("glorot_normal", description="How weights start.")
    optimizer: Optimizer = Field(Optimizer(), description="Optimiser and its options.")
    epochs: number(1, 10_000_000, whole=True) = Field(
        17_000, description="Most epochs of training; 400 by default for LevenbergMarquardt, whose epochs are steps."
    )
    positivity: PositivityMultipliers = Field(
        PositivityMultipliers(initial=184.8), description="Lagrange multiplier of the positivity sets."
    )
    integrability: IntegrabilityMultipliers = Field(
        IntegrabilityMultipliers(initial=10.0), description="Lagrange multiplier of the integrability sets."
    )
    stopping_patience: number(above=0, upper=1) = Field(
        0.1, description="Stop after this fraction of `epochs` without a better validation loss."
    )
    layer_type: kinds.choice(("dense", "dense_per_flavour"), aliases={"dense_per_flavor": "dense_per_flavour"}) = Field(
        "dense", description="One network for all flavours, or one for each."
    )
    dropout: number(0, below=1) = Field(0.0, description="Fraction of nodes dropped before the last layer.")
    threshold_chi2: kinds.Positive = Field(3.5, description="Stopping counts once validation chi2/N is below this.")
    regularizer: kinds.choice(("l1", "l2", "l1_l2"), nullable=True) = Field(None, description="Penalty on weights.")
    regularizer_args: RegularizerArgs = Field(RegularizerArgs(), description="Strength of the penalty.")
    feature_scaling_points: number(2, 1000, whole=True, nullable=True) = Field(
        None, description="Scale the input x through this many interpolation points; null: x and ln x."
    )

    _check = model_validator(mode="after")(checks.raising(checks.parameters))


class BasisEntry(Block):
    """Preprocessing of one fitted flavour: x^(1-alpha) (1-x)^beta, or x^(1-alpha) alone with feature scaling."""

    fl: kinds.choice(FLAVOURS, aliases=FLAVOUR_ALIASES) = Field(description="Flavour.")
    trainable: kinds.Flag = Field(True, description="Train the exponents within their ranges, or fix them once drawn.")
    smallx: kinds.interval(-10, 10) = Field(description="Range of alpha.")
    largex: kinds.interval(-0.99, 50, nullable=True) = Field(
        None, description="Range of beta; required without feature scaling, null with it."
    )


class Fitting(Block):
    """The fitted PDF combinations."""

    fitbasis: kinds.choice(tuple(FITBASES), hints=FITBASIS_HINTS) = Field("EVOL", description="Basis of fitted PDFs.")
    sum_rules: kinds.SumRules = Field(
        "ALL", description="Which hold at every epoch: momentum (MSR), valence (VSR), both (true, ALL) or none (false)."
    )
    savepseudodata: kinds.Flag = Field(False, description="Save the pseudo-data of each replica in the fit folder.")
    basis: tuple[BasisEntry, ...] = Field(
        tuple(BasisEntry(**entry) for entry in default_basis("EVOL", scaled=False)),
        description="Preprocessing of each flavour of `fitbasis`, in any order; "
        "NNPDF4.0's fixed exponents by default for EVOL and CCBAR_ASYMM.",
        min_length=1,
    )

    @field_validator("basis")
    @classmethod
    def _in_order(cls, basis: tuple[BasisEntry, ...], info: ValidationInfo) -> tuple[BasisEntry, ...]:
        # The rest of the code may rely on the order of FITBASES; an incomplete basis is reported as it was written.
        order = FITBASES.get(info.data.get("fitbasis", ""), ())
        if sorted(order) != sorted(entry.fl for entry in basis):
            return basis
        return tuple(sorted(basis, key=lambda entry: order.index(entry.fl)))

    _check = model_validator(mode="after")(checks.raising(checks.fitting))


class ConstraintSet(Block):
    """One positivity or integrability dataset."""

    dataset: kinds.Name = Field(description="Name of the dataset.")
    variant: kinds.Names = Field((), description="Variant, or a list of variants, of the commondata.")
    maxlambda: kinds.Positive = Field(description="Lagrange multiplier at the last epoch.")
    custom_group: kinds.MaybeName = Field(None, description="Group the dataset is listed under.")


ConstraintSets = Annotated[tuple[ConstraintSet, ...], AfterValidator(checks.raising(checks.datasets))]


class Positivity(Block):
    """Observables and PDFs that must not be negative."""

    posdatasets: ConstraintSets = Field((), description="The positivity sets.")


class Integrability(Block):
    """PDF combinations that must be integrable at small x."""

    integdatasets: ConstraintSets = Field((), description="The integrability sets.")


class FilterRule(Block):
    """A cut added to the built-in ones: points for which the rule is false are left out."""

    dataset: kinds.MaybeName = Field(None, description="Dataset it applies to.")
    process_type: kinds.MaybeName = Field(None, description="Process type it applies to, instead of a dataset.")
    rule: kinds.Expression = Field(description="Expression in the kinematic variables that holds for kept points.")
    reason: kinds.text("text", r"[\s\S]*", nullable=True) = Field(None, description="Why.")
    local_variables: kinds.LocalVariables = Field(
        default_factory=dict, description="Names for expressions used in the rule."
    )
    PTO: kinds.PerturbativeOrder = Field(None, description="Perturbative orders it applies to.")
    FNS: kinds.MaybeName = Field(None, description="Flavour-number scheme it applies to.")
    IC: kinds.MaybeFlag = Field(None, description="Applies with (true) or without (false) fitted charm.")

    _check = model_validator(mode="after")(checks.raising(checks.filter_rule))


class Tensorboard(Block):
    """Log of the training for TensorBoard."""

    weight_freq: number(0, whole=True) = Field(0, description="Accepted, without effect.")
    profiling: kinds.Flag = Field(False, description="Accepted, without effect.")


class Runcard(Block):
    """Everything that defines a fit."""

    description: kinds.Text = Field("", description="What this fit is, in your words.")
    dataset_inputs: Annotated[
        tuple[DatasetInput, ...],
        Field(min_length=1),
        AfterValidator(checks.raising(checks.measurements)),
    ] = Field(description="The measurements to fit.")
    datacuts: DataCuts = Field(DataCuts(), description="Cuts and the t0 set.")
    theory: Theory = Field(description="The theory of the predictions.")
    trvlseed: kinds.Seed = Field(1, description="Seed of the training-validation split.")
    nnseed: kinds.Seed = Field(2, description="Seed of the initial weights.")
    mcseed: kinds.Seed = Field(3, description="Seed of the pseudo-data.")
    genrep: kinds.Flag = Field(True, description="Fit pseudo-data (true) or the central data (false).")
    replicas: number(1, 100_000, whole=True) = Field(
        100, description="How many replicas `fit` makes when not told; not an n3fit key."
    )
    same_trvl_per_replica: kinds.Flag = Field(False, description="Give every replica the same split.")
    training_masks: number(1, 100_000, whole=True, nullable=True) = Field(
        None,
        description="How many different splits there are; replica k uses number k modulo this. Null: one per replica. "
        "Not an n3fit key.",
    )
    diagonal_basis: kinds.Flag = Field(
        True, description="Split in the basis in which the covariance is diagonal, or point by point within each set."
    )
    diagonal_frac: number(above=0, below=1) = Field(0.75, description="Training fraction of the diagonal basis.")
    parameters: Parameters = Field(Parameters(), description="The model and its training.")
    fitting: Fitting = Field(Fitting(), description="The fitted PDF combinations.")
    positivity: Positivity = Field(Positivity(), description="Positivity sets.")
    integrability: Integrability = Field(Integrability(), description="Integrability sets.")
    added_filter_rules: tuple[FilterRule, ...] = Field((), description="Cuts added to the built-in ones.")
    drop_internal_rules: kinds.Names = Field((), description="Datasets whose own built-in cuts do not apply.")
    closuretest: ClosureTest | None = Field(None, description="When given, the fit is a closure test.")
    inconsistent_data_settings: InconsistentData | None = Field(
        None, description="What `closuretest.inconsistent_fakedata` changes."
    )
    left_out: LeftOut | None = Field(None, description="Data to be predicted instead of fitted; not an n3fit key.")
    hyperscan_config: HyperScan | None = Field(None, description="What `nnpdf-lite hyperopt` scans.")
    kfold: KFold | None = Field(None, description="How it judges: folds and losses.")
    trial_specs: TrialSpecs | None = Field(None, description="When given, replicas take their models from a scan.")
    maxcores: number(1, 100_000, whole=True, nullable=True) = Field(
        None, description="Most cores to use; null: all of them."
    )
    operator_tolerance: number(0, below=1) = Field(
        1e-3,
        description="Largest change of any prediction, in units of its experimental uncertainty, that compressing the "
        "theory may make; 0 leaves it exact. Not an n3fit key.",
    )
    double_precision: kinds.Flag = Field(False, description="Train in float64 instead of float32.")
    debug: kinds.Flag = Field(False, description="Accepted, without effect.")
    parallel_models: kinds.Flag = Field(True, description="Accepted, without effect: replicas always train together.")
    save: kinds.FileOrFlag = Field(
        None, description="Accepted, without effect: the fit folder keeps what a fit needs to continue."
    )
    tensorboard: Tensorboard | None = Field(
        None, description="When given, chi2 of every replica is logged for TensorBoard in the fit folder's `training/`."
    )

    _complete = model_validator(mode="before")(complete)
    _check = model_validator(mode="after")(checks.raising(checks.runcard))
    _check_scan = model_validator(mode="after")(checks.raising(hyperopt_checks.scan))

    @property
    def closure(self) -> ClosureTest:
        """Its closure test, of a card that has one (ValueError)."""
        if self.closuretest is None:
            raise ValueError("the card is of no closure test")
        return self.closuretest

    def dump(self) -> str:
        """Return the card with every default written out, as YAML that loads back to an equal `Runcard`.

        Options of the optimiser that n3fit does not know are left out where they have their defaults.
        """
        return write_yaml(self.mapping())

    def mapping(self) -> dict[str, Any]:
        """Return the same as a mapping of plain values, the caller's to change, for ``parse_runcard``."""
        return copy.deepcopy(_plain(self))

    def dump_for_folder(self) -> str:
        """Return the card as a fit folder keeps it, for NNPDF's programs too.

        Left out are ``replicas``, a word they use for something else, and keys without a value, which they stumble over.
        """
        return write_yaml({name: value for name, value in _plain(self).items() if name != "replicas" and value is not None})


def _plain(value: Any) -> Any:
    if isinstance(value, Optimizer):
        return _plain_optimizer(value)
    if isinstance(value, Block):
        plain = {name: _plain(item) for name, item in value}
        if len(plain.get("variant", ())) == 1:
            plain["variant"] = plain["variant"][0]  # as other readers of n3fit runcards expect it
        return {name: item for name, item in plain.items() if not _unset(value, name, item)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _unset(block: Block, name: str, value: Any) -> bool:
    # The optional names of a dataset, a theory or a rule are left out: null is no value for them, nor for n3fit.
    return isinstance(block, (DatasetInput, ConstraintSet, FilterRule, Theory)) and value in (None, [], {})


def _plain_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    name = "Amsgrad" if optimizer.amsgrad else optimizer.optimizer_name
    defaults, known = OPTIMIZERS[name], N3FIT_OPTIMIZER_OPTIONS.get(name, tuple(OPTIMIZERS[name]))
    written = {option: getattr(optimizer, option) for option in defaults}
    return {"optimizer_name": name} | {
        option: value for option, value in written.items() if option in known or value != defaults[option]
    }
