"""The blocks of tests: data made from a known truth, data left out to be predicted."""

from pydantic import Field, model_validator

from . import checks, kinds
from .block import Block
from .choices import SOURCES, TREATMENTS
from .kinds import number


class ClosureTest(Block):
    """Data made from a known PDF in place of the measured ones: level 0, 1 or 2 (docs/closure.md)."""

    fakedata: kinds.Flag = Field(False, description="Fit data made from `fakepdf` instead of the measurements.")
    fakepdf: kinds.PdfSet = Field(
        None, description="The truth: a PDF set by name or path, one of its members (`SET/3`), or a finished fit."
    )
    fakenoise: kinds.Flag = Field(
        False, description="Add noise to the central data: true for levels 1 and 2, false for level 0."
    )
    filterseed: kinds.Seed = Field(0, description="Seed of that noise; fit number f of a multi-fit test adds f.")
    faketheoryid: kinds.MaybeTheoryId = Field(
        None, description="Theory that makes the data; null: the theory of the fit."
    )
    inconsistent_fakedata: kinds.Flag = Field(
        False, description="Fit with the uncertainties that `inconsistent_data_settings` rescales; the noise keeps them."
    )

    _check = model_validator(mode="after")(checks.raising(checks.closure_test))


class InconsistentData(Block):
    """Which uncertainties the fit gets wrong, and by how much (arXiv:2503.17447)."""

    treatment_names: kinds.choices(TREATMENTS) = Field((), description="Treatments that are rescaled.")
    names_uncertainties: kinds.choices(SOURCES) = Field(
        (), description="Kinds that are rescaled; SPECIAL are those that correlate sets. Statistical errors never are."
    )
    inconsistent_datasets: kinds.Names = Field((), description="The datasets concerned, all of them fitted.")
    sys_rescaling_factor: number(0) = Field(1.0, description="Factor lambda of those uncertainties.")

    _check = model_validator(mode="after")(checks.raising(checks.inconsistent_data))


class LeftOut(Block):
    """Data that the fit does not see and that `nnpdf-lite closure` compares it with. Not a block of n3fit's."""

    datasets: kinds.Names = Field((), description="Datasets left out.")
    published_after: number(1900, 2100, whole=True, nullable=True) = Field(
        None, description="Leave out every dataset published after this year."
    )
    edge: kinds.MaybeExpression = Field(
        None, description="Condition on the kinematics, such as `x > 0.01`, that fitted points fulfil."
    )

    _check = model_validator(mode="after")(checks.raising(checks.left_out))
