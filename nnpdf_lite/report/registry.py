"""Figures by name, for ``nnpdf-lite plot``: what makes each one, and the options it takes."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, nearest

if TYPE_CHECKING:
    from .study import Study


@dataclass(frozen=True)
class Recipe:
    """Where the function ``(study, **options) -> Figure`` is that makes a figure; loaded when it is used."""

    module: str
    function: str
    summary: str

    def load(self) -> Callable:
        """Return the function."""
        return getattr(importlib.import_module(f".sections.{self.module}", __package__), self.function)


FIGURES = {
    "overview": Recipe("pdfs", "overview_figure", "all PDFs of a fit or set in one picture"),
    "pdf": Recipe("pdfs", "pdf_figure", "PDFs with one-sigma bands and 68% intervals"),
    "replicas": Recipe("pdfs", "replicas_figure", "every replica"),
    "ratio": Recipe("pdfs", "ratio_figure", "PDFs over the first set compared with"),
    "uncertainty": Recipe("pdfs", "uncertainty_figure", "relative uncertainties of PDFs"),
    "distance": Recipe("comparison", "distance_figure", "distances or pulls between two sets"),
    "luminosity": Recipe("comparison", "luminosity_figure", "parton luminosities at 14 TeV"),
    "arc-lengths": Recipe("comparison", "arc_length_figure", "arc lengths"),
    "exponent": Recipe("comparison", "exponent_figure", "effective exponents and preprocessing ranges"),
    "correlations": Recipe("correlations", "flavour_correlation_figure", "correlations between flavours"),
    "data-correlations": Recipe("correlations", "data_correlation_figure", "correlations of points with a flavour"),
    "set-correlations": Recipe("correlations", "dataset_correlation_figure", "the largest of them for each dataset"),
    "chi2": Recipe("data", "chi2_figure", "chi2 of datasets, experiments or processes"),
    "data-theory": Recipe("data", "data_theory_figure", "data and theory, in the units of the measurement"),
    "data-ratio": Recipe("data", "data_ratio_figure", "data over theory"),
    "kinematics": Recipe("data", "kinematics_figure", "where the data are in x and Q2"),
    "training": Recipe("fit", "training_figure", "training and validation chi2 against epochs"),
    "stopping": Recipe("fit", "stopping_figure", "best and last epochs"),
    "validation": Recipe("fit", "validation_figure", "training against validation chi2"),
    "replica-chi2": Recipe("fit", "replica_chi2_figure", "chi2 of replicas to the central data"),
    "positivity": Recipe("fit", "positivity_figure", "smallest values of positivity observables"),
}
"""Name -> how to make it."""

#: Options of the command line, with their types; those a figure takes are the arguments of its function.
OPTIONS: dict[str, tuple[type, str]] = {
    "flavour": (str, "such as g, u, sbar, V3, uv, d/u"),
    "q": (float, "scale in GeV"),
    "xscale": (str, "log, linear, or both (logarithmic below x = 0.1)"),
    "dataset": (str, "name of a dataset"),
    "part": (int, "of a dataset drawn in several figures"),
    "level": (str, "dataset, experiment or process"),
    "channel": (str, "gg, gq, qq or qqbar"),
    "exponent": (str, "alpha or beta"),
    "column": (str, "distance, sigma_distance or pull"),
}


def draw(name: str, study: "Study", path: Path, **options: Any) -> Path:
    """Draw a figure of ``FIGURES`` into ``path`` (svg, png or pdf).

    Parameters
    ----------
    name : str
    study : Study
    path : Path
    options
        Of ``OPTIONS``; None stands for the figure's own choice.

    Raises
    ------
    InputError
        For an unknown figure or format, or options it does not take.
    """
    from . import style

    recipe = recipe_of(name)
    if path.suffix.lstrip(".") not in style.FORMATS:
        raise InputError(f"{path}: expected a name that ends in {', '.join('.' + f for f in style.FORMATS)}")
    make = recipe.load()
    taken = [option for option in inspect.signature(make).parameters if option in OPTIONS]
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in taken:
            raise InputError(
                f"figure '{name}' takes no --{option}; it takes {', '.join(f'--{t}' for t in taken) or 'none'}"
            )
    needed = inspect.signature(make).parameters
    for option in taken:
        if option not in given and needed[option].default is inspect.Parameter.empty:
            raise InputError(f"figure '{name}' needs --{option}, {OPTIONS[option][1]}")
    figure = make(study, **given)
    try:
        temporary = path.with_name(f".part.{path.name}")
        style.save(style.drawn(figure.draw, figure.data, figure.options, figure.size), temporary)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a figure, or raise InputError with the nearest name."""
    if name not in FIGURES:
        raise InputError(f"there is no figure '{name}'.{nearest(name, FIGURES)} Figures: {', '.join(FIGURES)}")
    return FIGURES[name]
