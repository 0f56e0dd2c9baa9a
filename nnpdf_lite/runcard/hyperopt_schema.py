"""The blocks of a scan of hyperparameters: what is scanned, how trials are judged, and fits that use the best of them."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from . import hyperopt_checks as checks
from . import kinds
from .block import Block
from .checks import raising
from .choices import ACTIVATIONS, INITIALIZERS, OPTIMIZERS
from .kinds import number, sampled

_Epochs = number(1, 10_000_000, whole=True, nullable=True)
_Fraction = number(above=0, upper=1, nullable=True)


class ScanStopping(Block):
    """Epochs and patience, each uniform between its limits."""

    min_epochs: _Epochs = Field(None, description="Fewest `epochs`.")
    max_epochs: _Epochs = Field(None, description="Most `epochs`.")
    min_patience: _Fraction = Field(None, description="Least `stopping_patience`.")
    max_patience: _Fraction = Field(None, description="Greatest `stopping_patience`.")

    _check = model_validator(mode="after")(raising(checks.limits("epochs", "patience")))


class ScanMultipliers(Block):
    """Lagrange multipliers of a constraint: `multiplier` uniform, `initial` log-uniform."""

    min_multiplier: kinds.MaybePositive = Field(None, description="Least `multiplier`.")
    max_multiplier: kinds.MaybePositive = Field(None, description="Greatest `multiplier`.")
    min_initial: kinds.MaybePositive = Field(None, description="Least `initial`.")
    max_initial: kinds.MaybePositive = Field(None, description="Greatest `initial`.")

    _check = model_validator(mode="after")(raising(checks.limits("multiplier", "initial")))


class ScanOptimizer(Block):
    """One of the optimisers to choose from, with ranges of its options; those left out take their defaults."""

    optimizer_name: kinds.choice(tuple(name for name in OPTIMIZERS if name != "LevenbergMarquardt")) = Field(
        description="Which optimiser."
    )
    learning_rate: sampled(above=0, nullable=True) = Field(None, description="Learning rate.")
    clipnorm: sampled(above=0, nullable=True) = Field(None, description="Largest norm of a replica's gradient.")
    beta_1: sampled(0, below=1, nullable=True) = Field(None, description="Decay of the mean gradient.")
    beta_2: sampled(0, below=1, nullable=True) = Field(None, description="Decay of the mean squared gradient.")
    epsilon: sampled(above=0, nullable=True) = Field(None, description="Added to the denominator of the step.")
    rho: sampled(0, below=1, nullable=True) = Field(None, description="Decay of the mean squared gradient.")
    momentum: sampled(0, below=1, nullable=True) = Field(None, description="Momentum.")

    _check = model_validator(mode="after")(raising(checks.scan_optimizer))


class ScanArchitecture(Block):
    """Networks: layers, units, activations, initialisers, dropout."""

    n_layers: kinds.Counts = Field((), description="Numbers of hidden layers to choose from.")
    min_units: number(1, 10_000, whole=True) = Field(15, description="Fewest units of a hidden layer.")
    max_units: number(1, 10_000, whole=True) = Field(25, description="Most units of a hidden layer.")
    activations: kinds.choices(ACTIVATIONS) = Field((), description="Activations of the hidden layers; the last is linear.")
    initializers: kinds.choices(INITIALIZERS) = Field((), description="Initialisers.")
    layer_types: kinds.choices(("dense", "dense_per_flavour")) = Field((), description="Layer types.")
    max_drop: number(0, below=1, nullable=True) = Field(None, description="Greatest `dropout`; uniform from 0.")

    _check = model_validator(mode="after")(raising(checks.scan_architecture))


class ScanRegularizer(Block):
    """One of the regularisers to choose from, with ranges of its strength."""

    regularizer: kinds.choice(("l1", "l2", "l1_l2"), nullable=True) = Field(None, description="Penalty on weights, or null.")
    l1: sampled(above=0, nullable=True) = Field(None, description="Factor of the sum of |w|.")
    l2: sampled(above=0, nullable=True) = Field(None, description="Factor of the sum of w^2.")

    _check = model_validator(mode="after")(raising(checks.scan_regularizer))


class HyperScan(Block):
    """What `nnpdf-lite hyperopt` scans; keys of `parameters` that are not scanned keep their values.

    Where a number or a range is expected: a number, `{min: , max: }`, uniform, or log-uniform with `sampling: log`, or a
    list to choose from.
    """

    stopping: ScanStopping | None = Field(None, description="Epochs and patience.")
    positivity: ScanMultipliers | None = Field(None, description="Multipliers of positivity.")
    integrability: ScanMultipliers | None = Field(None, description="Multipliers of integrability; not an n3fit key.")
    optimizer: tuple[ScanOptimizer, ...] = Field((), description="Optimisers to choose from.")
    architecture: ScanArchitecture | None = Field(None, description="Networks.")
    regularizer: tuple[ScanRegularizer, ...] = Field((), description="Regularisers to choose from; not an n3fit key.")
    feature_scaling_points: sampled(2, 1000, whole=True, nullable=True) = Field(
        None, description="Interpolation points of the feature scaling, null in a list: none; not an n3fit key."
    )
    diagonal_frac: sampled(above=0, below=1, nullable=True) = Field(
        None, description="Training fraction; not an n3fit key."
    )

    _check = model_validator(mode="after")(raising(checks.hyperscan))


class Partition(Block):
    """One fold: the datasets that its fits leave out."""

    datasets: Annotated[kinds.Names, AfterValidator(raising(checks.some))] = Field(description="Their names.")
    weight: kinds.Positive = Field(1.0, description="Factor of the fold's loss.")
    overfit: kinds.Flag = Field(False, description="Fit them nevertheless.")


class KFold(Block):
    """How the trials of a scan are judged (docs/hyperopt.md)."""

    partitions: tuple[Partition, ...] = Field(
        (), description="The folds; by default `folds` of them, balanced in process, x and Q2."
    )
    folds: number(2, 100, whole=True) = Field(4, description="How many folds there are by default; not an n3fit key.")
    always_fitted: kinds.Names = Field((), description="Sets that are in no fold; not an n3fit key.")
    loss_type: kinds.choice(("chi2", "phi2", "chi2p", "logp")) = Field(
        "chi2", description="Loss of a fold: chi2 of the left-out data, spread on them, chi2 or likelihood with PDF errors."
    )
    replica_statistic: kinds.choice(("central", "average", "best_worst", "std"), aliases={"average_best": "average"}) = Field(
        "central", description="For chi2: that of the replicas' mean, or a statistic of the replicas' own."
    )
    fold_statistic: kinds.choice(("average", "best_worst", "std"), aliases={"average_best": "average"}) = Field(
        "average", description="How the losses of the folds become one."
    )
    reduce_proportion: number(above=0, upper=1) = Field(
        0.85, description="Fraction of a fold's replicas that are judged: those of the lowest validation chi2."
    )
    penalties: kinds.choices(("saturation", "patience", "integrability", "positivity")) = Field(
        (), description="Penalties that are recorded."
    )
    penalties_in_loss: kinds.Flag = Field(False, description="Add them to the loss.")
    threshold: kinds.Positive = Field(50.0, description="A trial with a fold of a larger loss is given up.")
    pruning: kinds.Flag = Field(True, description="Give up trials that do worse than others did; not an n3fit key.")
    verbosity: kinds.Anything = Field(None, description="Accepted, without effect.")

    _check = model_validator(mode="after")(raising(checks.kfold))


class TrialSpecs(Block):
    """Fit with the models of a scan: replica k takes number k modulo `number_of_trials` of the best trials."""

    hyperscan: kinds.text("the folder of a scan", kinds.PRINTABLE) = Field(description="Folder of the scan.")
    thermalization: number(0, whole=True) = Field(0, description="Leave out this many of the first trials.")
    number_of_trials: number(1, 10_000, whole=True) = Field(10, description="How many of the best trials are used.")
    override: kinds.Anything = Field(None, description="Keys of `parameters` that all replicas have in common.")

    _check = model_validator(mode="after")(raising(checks.trial_specs))


def scans(block: Any) -> bool:
    """Return whether a block of the scan says anything."""
    return any(value not in (None, ()) for _, value in block)
