"""Which files of a theory a fit needs and does not find, said before any is read."""

from collections.abc import Iterable, Mapping, Sequence

from ..data import Dataset
from ..errors import InputError
from .card import TheoryCard, find_cfactor

MOST_NAMES = 4


def needed_files(dataset: Dataset) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the FK tables of a set and its cfactors, (kind, table) each."""
    tables = tuple(dict.fromkeys(table for operand in dataset.theory.fk_tables for table in operand))
    return tables, tuple((kind, table) for kind in dataset.cfac for table in tables)


def missing_files(dataset: Dataset, card: TheoryCard | None) -> tuple[str, ...]:
    """Return the names of the FK tables and cfactors (``CF_QCD_TABLE``) a set lacks; all tables without a theory."""
    tables, cfactors = needed_files(dataset)
    missing = [table for table in tables if card is None or not card.has_table(table)]
    folders = card.folders if card else ()
    return (*missing, *(f"CF_{kind}_{table}" for kind, table in cfactors if not find_cfactor(folders, kind, table)))


def require_files(datasets: Sequence[Dataset], card: TheoryCard) -> None:
    """Raise InputError, naming the sets by experiment, when a theory lacks files of several sets.

    A single missing file is left to its reader, which says what it expected.
    """
    missing = {dataset.name: files for dataset in datasets if (files := missing_files(dataset, card))}
    if sum(map(len, missing.values())) < 2:
        return
    complete = [dataset for dataset in datasets if dataset.name not in missing]
    data = [dataset for dataset in complete if not is_constraint(dataset.name)]
    raise InputError(
        f"theory '{card.name}' ({card.folder}) lacks {count(missing)}:\n"
        + grouped(missing)
        + f"\n  the other {len(data)} datasets ({sum(map(len, data))} points) and {len(complete) - len(data)} constraints would "
        "run. Add the files, or fit without these sets: 'validate CARD --n3fit' names all files, --write makes the card that runs"
    )


def is_constraint(name: str) -> bool:
    """Whether a set is one of positivity or integrability."""
    return name.startswith("NNPDF_")


def count(missing: Mapping[str, Sequence[str]]) -> str:
    """Return in words how many files how many sets lack."""
    files = {file for needed in missing.values() for file in needed}
    cfactors = sum(file.startswith("CF_") for file in files)
    kinds = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((len(files) - cfactors, "FK table"), (cfactors, "cfactor")) if n]
    return f"{' and '.join(kinds)} of {len(missing)} set{'s' if len(missing) > 1 else ''}"


def grouped(missing: Mapping[str, Sequence[str]], most: int | None = MOST_NAMES) -> str:
    """Return a line per experiment with the names of its sets, or with its files where ``most`` is None."""
    groups: dict[str, list[str]] = {}
    for name, files in missing.items():
        group = "constraints" if is_constraint(name) else name.split("_")[0]
        groups.setdefault(group, []).extend([name] if most is not None else files)
    return "\n".join(f"  {group}: {_shortened(dict.fromkeys(names), most)}" for group, names in groups.items())


def _shortened(names: Iterable[str], most: int | None) -> str:
    names = list(names)
    shown, left = names[:most], len(names[most:]) if most else 0
    return ", ".join(shown) + (f" and {left} more" if left else "")
