"""Theory cards: which theory is meant, where its tables lie, with which parameters they were made."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError, nearest
from ..paths import nnpdf_data, search_path

#: What evolution and predictions need from a card, with its unit.
REQUIRED = {
    "PTO": "perturbative order, 0 (LO) to 3 (N3LO)",
    "Q0": "parametrisation scale in GeV",
    "alphas": "strong coupling at Qref",
    "Qref": "scale of alphas in GeV",
    "mc": "charm mass in GeV",
    "mb": "bottom mass in GeV",
    "mt": "top mass in GeV",
}

#: Keys that may differ between folders whose tables serve one theory: words, and how finely evolution is solved.
_FREE = ("ID", "Comments", "global_nx", "EScaleVar", "IterEv")


@dataclass(frozen=True)
class TheoryCard:
    """A theory on disk.

    Attributes
    ----------
    name : str
        As asked for in the runcard (``theoryid``).
    folder : pathlib.Path
        Holds ``fastkernel/``, ``cfactor/`` and ``theory.yaml``.
    parameters : Mapping
        The card: orders, masses and couplings under NNPDF's names, GeV throughout.
    more : tuple of pathlib.Path
        Further folders of that name with the same card: tables of one's own beside those that are shipped.
    """

    name: str
    folder: Path
    parameters: Mapping[str, Any]
    more: tuple[Path, ...] = ()

    @property
    def q0(self) -> float:
        """Parametrisation scale in GeV."""
        return float(self.parameters["Q0"])

    def has_table(self, table: str) -> bool:
        """Whether there is an FK table of that name."""
        return self._path(table).is_file()

    def table_path(self, table: str) -> Path:
        """Return the path of an FK table, or raise InputError naming the nearest one that exists."""
        path = self._path(table)
        if not path.is_file():
            raise InputError(f"theory '{self.name}' has no FK table '{table}' ({path}).{nearest(table, self.tables())}")
        return path

    def tables(self) -> list[str]:
        """Return the names of its FK tables."""
        files = [file for folder in self.folders for file in folder.glob("fastkernel/*.pineappl.lz4")]
        return sorted({file.name.removesuffix(".pineappl.lz4") for file in files})

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its files are looked for, in this order."""
        return (self.folder, *self.more)

    def _path(self, table: str) -> Path:
        """Return where the table is, or where it would be."""
        paths = [folder / "fastkernel" / f"{table}.pineappl.lz4" for folder in self.folders]
        return next((path for path in paths if path.is_file()), paths[0])

    def cfactor_path(self, kind: str, table: str) -> Path:
        """Return the path of a cfactor file, which may not exist."""
        return find_cfactor(self.folders, kind, table) or self.folder / "cfactor" / f"CF_{kind}_{table}.dat"


def find_cfactor(theory: Iterable[Path], kind: str, table: str) -> Path | None:
    """Return the cfactor file of a table: that in a folder of the theory, else nnpdf-data's, else None."""
    folders = [*(folder / "cfactor" for folder in theory), nnpdf_data("cfactors")]
    files = [folder / f"CF_{kind}_{table}.dat" for folder in folders if folder]
    return next((file for file in files if file.is_file()), None)


def load_theory(theoryid: int | str) -> TheoryCard:
    """Find theory ``theoryid`` and read its card.

    ``theoryid`` names a folder ``theory_grids/<theoryid>`` or ``theory_grids/theory_<theoryid>``; a path works too. An
    official folder (``theory_40000000``) needs no card: that of nnpdf-data is taken. Where several places hold a folder of
    that name, the first one counts, and those with the same card add to it.

    Raises
    ------
    InputError
        If no such theory is found, or its card is missing, unreadable or incomplete.
    """
    roots = search_path("theory_grids")
    candidates = [folder / name for folder in roots for name in (str(theoryid), f"theory_{theoryid}")]
    candidates.append(Path(str(theoryid)).expanduser())
    folders = [c for c in candidates if (c / "fastkernel").is_dir()]
    if not folders:
        known = sorted(p.parent.name for root in roots for p in root.glob("*/fastkernel"))
        raise InputError(
            f"theory.theoryid: no theory '{theoryid}' in {', '.join(map(str, roots))}; there: {', '.join(known) or 'none'}."
            f"{nearest(theoryid, known)}{_where_to_put(theoryid)}"
        )
    folder, parameters = folders[0], _read_card(theoryid, folders[0])
    more = [other for other in folders[1:] if other != folder and _agree(parameters, _read_card(theoryid, other))]
    return TheoryCard(str(theoryid), folder, parameters, tuple(more))


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two cards describe the same theory, by the keys that both have."""
    return all(one[key] == other[key] for key in one.keys() & other.keys() if key not in _FREE)


def _where_to_put(theoryid: int | str) -> str:
    """Say what to do with an official theory that is not there."""
    if not official_parameters(theoryid):
        return ""
    return f" It is one of NNPDF's: put its folder theory_{theoryid} there, or name it with --theory-path."


def official_parameters(theoryid: int | str) -> Mapping[str, Any]:
    """Return the parameters of an official theory from nnpdf-data's card, or an empty mapping where there is none."""
    return _card_from_nnpdf_data(theoryid) or {}


def _read_card(theoryid: int | str, folder: Path) -> Mapping[str, Any]:
    path = folder / "theory.yaml"
    if path.is_file():
        source = str(path)
        try:
            parameters = yaml.safe_load(path.read_text())
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise InputError(f"{path}: cannot be read as a theory card ({error})") from None
    else:
        parameters, source = _card_from_nnpdf_data(theoryid), f"nnpdf-data's card {theoryid}"
        if parameters is None:
            raise InputError(
                f"{path}: missing; a theory folder holds theory.yaml beside fastkernel/, and nnpdf-data "
                + ("has no card of that number" if nnpdf_data("theory_cards") else "(which has the official cards) is not installed")
            )
    if not isinstance(parameters, dict):
        raise InputError(f"{source}: expected a mapping of parameters, got {type(parameters).__name__}")
    for key, meaning in REQUIRED.items():
        value = parameters.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise InputError(f"{source}: {key} = {value!r}; expected a number ({meaning})")
    return parameters


def _card_from_nnpdf_data(theoryid: int | str) -> dict | None:
    """Official theory folders carry no card; the nnpdf-data package, when installed, does."""
    folder = nnpdf_data("theory_cards")
    path = folder / f"{str(theoryid).replace('_', '').removeprefix('theory')}.yaml" if folder else None
    return yaml.safe_load(path.read_text()) if path and path.is_file() else None
