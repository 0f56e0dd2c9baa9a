"""Finding a dataset by name among the shipped ones, the user's own and those of the nnpdf-data package."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import InputError, nearest
from .documents import expect, read_document, require

_OBSERVABLE_LINE = re.compile(r"^[\s-]*observable_name:\s*['\"]?([^\s'\"#]+)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Entry:
    """The metadata of one observable of one set: where it stands and what it says, variants not yet applied."""

    name: str
    folder: Path
    set_metadata: dict[str, Any]
    observable: dict[str, Any]

    @property
    def file(self) -> Path:
        """The metadata file, for messages."""
        return self.folder / "metadata.yaml"

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """The variants the set offers, by name."""
        return self.observable.get("variants") or {}


def nnpdf_data_folder() -> Path | None:
    """Return the commondata folder of the nnpdf-data package, or None when it is not installed."""
    return paths.nnpdf_data("commondata")


def dataset_folders() -> list[Path]:
    """Return the folders searched for datasets, in order: the user's, the shipped ones, nnpdf-data's."""
    package = nnpdf_data_folder()
    return paths.search_path("datasets") + ([package] if package else [])


def available_datasets() -> list[str]:
    """Return the names of every dataset that can be loaded, sorted."""
    names: set[str] = set()
    for folder in dataset_folders():
        for metadata in folder.glob("*/metadata.yaml"):
            # Scanned for one key, not parsed: this list also serves error messages, which should not take seconds.
            text = metadata.read_text(encoding="utf-8", errors="replace")
            names.update(f"{metadata.parent.name}_{observable}" for observable in _OBSERVABLE_LINE.findall(text))
    return sorted(names)


@cache
def _legacy_table(folder: Path) -> dict[str, Any]:
    table = folder / "dataset_names.yml"
    return read_document(table) if table.is_file() else {}


def resolve_legacy_name(
    name: str, variants: Sequence[str] = (), sys: int | None = None
) -> tuple[str, tuple[str, ...]]:
    """Translate a dataset name from before NNPDF's 2024 renaming, with the variant that reproduces it.

    Parameters
    ----------
    name
        Any dataset name; one that is not in nnpdf-data's table of old names is returned unchanged.
    variants
        The variants asked for. They are kept, except that ``legacy_dw`` from the table always wins: those old names
        stand for data with nuclear uncertainties included, as in NNPDF's own code.
    sys
        Number of an old treatment of systematic uncertainties; with an old name it stands for a variant of its own.

    Returns
    -------
    tuple
        The name in use now and the variants to load.

    Raises
    ------
    InputError
        When no variant stands for ``sys``.
    """
    folder = nnpdf_data_folder()
    entry = _legacy_table(folder).get(name) if folder else None
    if entry is None:
        return name, tuple(variants)  # NNPDF's own code takes no notice of sys here either
    entry = {"dataset": entry} if isinstance(entry, str) else entry
    variant = entry.get("variant")
    if sys is not None and variant is None:
        raise InputError(f"Dataset {name}: no variant of {entry['dataset']} stands for sys: {sys}; write a variant instead.")
    variant = f"{variant}_{sys}" if sys is not None else variant
    if variant and (not variants or variant == "legacy_dw"):
        return entry["dataset"], (variant,)
    return entry["dataset"], tuple(variants)


def find_dataset(name: str, variants: Sequence[str] = ()) -> Entry:
    """Return the first set of that name which has all the variants.

    Raises
    ------
    InputError
        When no folder has the set, or none of those that do has the variants.
    """
    found = []
    for folder in dataset_folders():
        entry = _entry(folder, name)
        if entry and all(variant in entry.variants for variant in variants):
            return entry
        found += [entry] if entry else []
    if found:
        known = list(dict.fromkeys(variant for entry in found for variant in entry.variants))
        wrong = next(variant for variant in variants if variant not in found[-1].variants)
        offered = f"It has {', '.join(known)}." if known else "It has none."
        raise InputError(f"Dataset {name}: there is no variant '{wrong}'. {offered}{nearest(wrong, known)}")
    hint = nearest(name, available_datasets())
    if nnpdf_data_folder() is None:
        hint += " Sets that are not shipped are read from the nnpdf-data package, which is not installed."
    searched = ", ".join(map(str, dataset_folders()))
    raise InputError(f"Dataset '{name}' was not found in {searched}.{hint}")


def _entry(folder: Path, name: str) -> Entry | None:
    setname, _, observable_name = name.rpartition("_")
    if not setname or not _NAME.fullmatch(name):
        return None
    file = folder / setname / "metadata.yaml"
    if not file.is_file():
        return None
    metadata = read_document(file)
    for observable in require(metadata, "implemented_observables", list, str(file)):
        expect(observable, dict, f"{file}: an entry of 'implemented_observables'")
        found = require(observable, "observable_name", str, f"{file}: an entry of 'implemented_observables'")
        if found.upper() == observable_name.upper():
            where = f"{file}: {found}"
            for variant, content in expect(observable.get("variants") or {}, dict, f"{where}: 'variants'").items():
                expect(content, dict, f"{where}: variant '{variant}'")
            return Entry(f"{setname}_{found}", file.parent, metadata, observable)
    return None


def is_named(dataset: str, names: Iterable[str]) -> bool:
    """Whether a set is among ``names``, each the name in use now or an old one."""
    return any(name == dataset or resolve_legacy_name(name)[0] == dataset for name in names)
