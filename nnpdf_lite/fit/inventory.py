"""What of a runcard's data and theory is there: which sets could be fitted, which files are missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..data import Dataset
from ..errors import InputError
from ..pdf.lhapdf_set import load_pdf_set, split_member
from ..runcard import ConstraintSet, DatasetInput, Runcard
from ..theory import TheoryCard, load_theory, missing_files, official_parameters
from .methodologies import scan_models
from .problem import constraint_entries, load_entry


@dataclass(frozen=True)
class Item:
    """One set of a card.

    Attributes
    ----------
    key : str
        Where it stands: ``dataset_inputs``, ``positivity.posdatasets`` or ``integrability.integdatasets``.
    name : str
        As written in the card.
    points : int
        Those that pass the cuts.
    missing : tuple of str
        FK tables and cfactors that are not there.
    problem : str
        Why the set itself cannot be read, or empty.
    """

    key: str
    name: str
    points: int = 0
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether it could be fitted."""
        return not self.missing and not self.problem


@dataclass(frozen=True)
class Inventory:
    """All sets of a card.

    Attributes
    ----------
    theory : Path or None
        Folder of the theory.
    items : tuple of Item
    problems : tuple of str
        What is wrong besides: the theory, PDF sets.
    """

    theory: Path | None
    items: tuple[Item, ...]
    problems: tuple[str, ...]

    def of(self, key: str) -> list[Item]:
        """Return the sets under a key."""
        return [item for item in self.items if item.key == key]

    @property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """The files that are missing, by set."""
        return {item.name: item.missing for item in self.items if item.missing}


def take_inventory(card: Runcard) -> Inventory:
    """Look at every set of a card, its tables and its PDF sets; no table is read."""
    problems = []
    theory: TheoryCard | None = None
    try:
        theory = load_theory(card.theory.theoryid)
    except InputError as error:
        problems.append(str(error))
    parameters = theory.parameters if theory else official_parameters(card.theory.theoryid)
    items = []
    for key, entry in _entries(card):
        try:
            dataset: Dataset = load_entry(entry, card, parameters)
        except InputError as error:
            items.append(Item(key, entry.dataset, problem=str(error)))
            continue
        items.append(Item(key, entry.dataset, len(dataset), missing_files(dataset, theory)))
    for key, name in (
        ("datacuts.t0pdfset", card.datacuts.t0pdfset),
        ("closuretest.fakepdf", card.closuretest.fakepdf if card.closuretest else None),
    ):
        try:
            if name:
                load_pdf_set(split_member(name)[0])
        except InputError as error:
            problems.append(f"{key}: {error}")
    try:
        if card.trial_specs:
            scan_models(card)
    except InputError as error:
        problems.append(str(error))
    return Inventory(theory.folder if theory else None, tuple(items), tuple(problems))


def runnable(card: Runcard, inventory: Inventory) -> Runcard:
    """Return the card with the sets that could be fitted only.

    Raises
    ------
    InputError
        If there is none.
    """
    complete = {(item.key, item.name) for item in inventory.items if item.complete and item.points}

    def kept(key: str, entries: tuple) -> tuple:
        return tuple(entry for entry in entries if (key, entry.dataset) in complete)

    constraints = {key: kept(key, entries) for key, entries in constraint_entries(card).items()}
    data = kept("dataset_inputs", card.dataset_inputs)
    if not data:
        raise InputError("no dataset of the card could be fitted with the tables that are there")
    return card.model_copy(
        update={
            "dataset_inputs": data,
            "positivity": card.positivity.model_copy(update={"posdatasets": constraints["positivity.posdatasets"]}),
            "integrability": card.integrability.model_copy(
                update={"integdatasets": constraints["integrability.integdatasets"]}
            ),
        }
    )


def _entries(card: Runcard) -> Iterator[tuple[str, DatasetInput | ConstraintSet]]:
    yield from (("dataset_inputs", entry) for entry in card.dataset_inputs)
    for key, entries in constraint_entries(card).items():
        yield from ((key, entry) for entry in entries)
