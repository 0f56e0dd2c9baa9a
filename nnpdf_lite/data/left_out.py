"""Which points a fit leaves out, to be predicted by it: whole sets, what came later, or what lies beyond an edge."""

import re
from typing import Protocol

import numpy as np

from ..errors import InputError
from .catalogue import is_named
from .dataset import Dataset
from .expressions import evaluate


class LeftOut(Protocol):
    """What is left out (``left_out`` of a runcard)."""

    @property
    def datasets(self) -> tuple[str, ...]: ...
    @property
    def published_after(self) -> int | None: ...
    @property
    def edge(self) -> str | None: ...


def left_out_points(dataset: Dataset, settings: LeftOut) -> np.ndarray:
    """Return which points (n,) of a set a fit leaves out.

    Raises
    ------
    InputError
        If a date is asked for and the set gives none, or the edge is no condition on its kinematics.
    """
    if is_named(dataset.name, settings.datasets):
        return np.ones(len(dataset), bool)
    if settings.published_after is not None and publication_year(dataset) > settings.published_after:
        return np.ones(len(dataset), bool)
    if settings.edge is None:
        return np.zeros(len(dataset), bool)
    variables = {str(name): column.to_numpy() for name, column in dataset.kinematics.items()}
    inside = evaluate(settings.edge, variables, f"left_out.edge, dataset {dataset.name}")
    if inside.dtype != bool:
        raise InputError(f"left_out.edge: '{settings.edge}' is a number, expected a condition such as 'x > 0.01'")
    return ~np.broadcast_to(inside, len(dataset))


def publication_year(dataset: Dataset) -> int:
    """Return the year in which a set was published: that of its journal, or else of its arXiv number.

    Raises
    ------
    InputError
        If its metadata give neither.
    """
    journal = re.search(r"\((1[89]\d\d|20\d\d)\)", dataset.citation.get("journal", ""))
    if journal:
        return int(journal[1])
    arxiv = re.search(r"arxiv\.org/abs/(?:[a-z-]+/)?(\d\d)\d\d", dataset.citation.get("arxiv", ""))
    if arxiv:
        return int(arxiv[1]) + (1900 if int(arxiv[1]) > 90 else 2000)
    raise InputError(
        f"left_out.published_after: the metadata of {dataset.name} give no year of publication; name it in "
        "left_out.datasets to leave it out, or leave out published_after and name all sets"
    )
