"""Measurements of one's own: from a published table to a dataset, and what is wrong with a dataset.

Owns reading tables (`source`, `hepdata`, `matrices`), telling kinematic variables and uncertainties in them
(`recognition`, `systematics`), writing the commondata folder (`scaffold`), the vocabulary of that format (`vocabulary`),
its checks (`checks`, `check_files`, `check_theory`, `findings`) and summaries of sets (`contents`). May import ``runcard``,
``data``, ``theory`` and ``theory_build``.
"""

from .checks import check_folder
from .findings import Finding
from .scaffold import NewDataset, Recipe, new_dataset

__all__ = ["Finding", "NewDataset", "Recipe", "check_folder", "new_dataset"]
