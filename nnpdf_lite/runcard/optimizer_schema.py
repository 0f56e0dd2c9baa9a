"""The block of the optimiser and its options."""

from pydantic import Field, model_validator

from . import checks, kinds
from .block import Block
from .choices import OPTIMIZERS
from .defaults import complete_optimizer
from .kinds import number


class Optimizer(Block):
    """The optimiser and its options; an option left out takes the default of that optimiser."""

    optimizer_name: kinds.choice(tuple(OPTIMIZERS)) = Field("Nadam", description="Which optimiser.")
    learning_rate: kinds.MaybePositive = Field(None, description="Learning rate.")
    clipnorm: kinds.MaybePositive = Field(None, description="Largest norm of a replica's gradient; null: no clipping.")
    beta_1: number(0, below=1, nullable=True) = Field(None, description="Decay of the mean gradient.")
    beta_2: number(0, below=1, nullable=True) = Field(None, description="Decay of the mean squared gradient.")
    epsilon: kinds.MaybePositive = Field(None, description="Added to the denominator of the step.")
    rho: number(0, below=1, nullable=True) = Field(None, description="Decay of the mean squared gradient.")
    momentum: number(0, below=1, nullable=True) = Field(None, description="Momentum.")
    nesterov: kinds.MaybeFlag = Field(None, description="Nesterov's momentum.")
    amsgrad: kinds.MaybeFlag = Field(None, description="The AMSGrad variant of Adam.")
    centered: kinds.MaybeFlag = Field(None, description="Normalise by the variance of the gradient.")
    initial_accumulator_value: number(0, nullable=True) = Field(None, description="Start of the squared gradients.")
    damping: kinds.MaybePositive = Field(
        None, description="First damping of the steps: added to the squares of the Jacobian."
    )
    constraint_steps: number(1, 10_000, whole=True, nullable=True) = Field(
        None, description="Steps in which multipliers reach `maxlambda`, once chi2/N is below `threshold_chi2`."
    )

    _complete = model_validator(mode="before")(complete_optimizer)
    _check = model_validator(mode="after")(checks.raising(checks.optimizer))

    @property
    def second_order(self) -> bool:
        """True when an epoch is a step that solves for the minimum of a linearised model."""
        return self.optimizer_name == "LevenbergMarquardt"

    def options(self) -> dict[str, float | bool]:
        """Return the options of this optimiser by Keras' name, without learning rate and clipping."""
        shared = {"optimizer_name", "learning_rate", "clipnorm"}
        return {name: value for name, value in self if name not in shared and value is not None}
