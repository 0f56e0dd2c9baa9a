"""Reads PDF sets in LHAPDF format from disk.

Interpolation is neopdf-hep's. That library ends the whole process when a file is malformed and returns zero for points
outside a grid, so files are checked, and points brought inside, before it sees them.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from neopdf.pdf import PDF

from nnpdf_lite.errors import InputError, nearest
from nnpdf_lite.flavours import FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION
from nnpdf_lite.paths import search_path
from nnpdf_lite.pdf.lhapdf_format import read_member

_RANGE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Ranges:
    """Coverage of a member's grid: flavours, and limits of x and of Q in GeV."""

    flavours: tuple[int, ...]
    x: tuple[float, float]
    q: tuple[float, float]


class LHAPDFSet:
    """A PDF set on disk, whose members are read when first used.

    Attributes
    ----------
    name : str
    path : Path
        The set's folder.
    n_members : int
        Number of members, member 0 (the central one) included.
    info : Mapping
        The ``.info`` file.
    flavors : tuple of int
        PDG numbers of the partons in the set.
    q_min, q_max, x_min : float
        Coverage of the grids; scales in GeV.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.info = _read_info(path)
        self.n_members = sum(1 for _ in path.glob(f"{self.name}_[0-9][0-9][0-9][0-9].dat"))
        self._members: dict[int, tuple[PDF, _Ranges]] = {}
        ranges = self._member(0)[1]
        self.flavors = ranges.flavours
        self.q_min, self.q_max = ranges.q
        self.x_min = ranges.x[0]

    def __repr__(self) -> str:
        return f"LHAPDFSet({self.name!r}, {self.n_members} members)"

    def xfxq(self, pids: Sequence[int], x: np.ndarray, q: np.ndarray | float, member: int = 0) -> np.ndarray:
        """Return ``x f(x, Q)`` on the product of flavours, momentum fractions and scales.

        Parameters
        ----------
        pids : (P,) sequence of int
            PDG numbers; a parton that is not in the set is zero.
        x : (X,) array
            Momentum fractions up to 1; below the smallest of the set, ``x f`` keeps its value there.
        q : (Q,) array
            Scales in GeV within the set's range.
        member : int

        Returns
        -------
        (P, X, Q) array

        Raises
        ------
        InputError
            For a scale outside the set's range, or a member that is missing or unreadable.
        """
        pdf, ranges = self._member(member)
        x, q = (np.atleast_1d(np.asarray(points, dtype=float)) for points in (x, q))
        low, high = ranges.q
        outside = (q < low * (1 - _RANGE_TOLERANCE)) | (q > high * (1 + _RANGE_TOLERANCE))
        if outside.any():
            raise InputError(f"PDF set {self.name} covers {low:g} < Q < {high:g} GeV, not Q = {q[outside][0]:g} GeV")
        if np.any(x <= 0) or np.any(x > 1 + _RANGE_TOLERANCE):
            raise ValueError("momentum fractions must lie in (0, 1]")
        # The limits are the reader's own, which differ from the squares of the knots by a rounding.
        xs, q2s = np.clip(x, pdf.xMin, pdf.xMax), np.clip(q**2, pdf.q2Min, pdf.q2Max)
        present = [i for i, pid in enumerate(pids) if pid in ranges.flavours]
        result = np.zeros((len(pids), len(x), len(q)))
        if present and result.size:
            values = pdf.xfxQ2s([int(pids[i]) for i in present], xs.tolist(), q2s.tolist())
            result[present] = np.reshape(values, (len(present), len(x), len(q)))
        return result

    def evolution_basis(self, x: np.ndarray, q: float, member: int = 0) -> np.ndarray:
        """Return ``f = xf/x`` (X, 14) in the evolution basis at momentum fractions ``x`` (X,) and scale ``q`` (GeV)."""
        x = np.asarray(x, dtype=float)
        flavour = self.xfxq(FLAVOUR_PIDS, x, q, member)[:, :, 0]
        return (FLAVOUR_TO_EVOLUTION @ flavour / x).T

    def read(self, members: Iterable[int]) -> None:
        """Read members now rather than when first used; InputError for one that is missing or unreadable."""
        for member in members:
            self._member(member)

    def _member(self, number: int) -> tuple[PDF, _Ranges]:
        if number not in self._members:
            file = self.path / f"{self.name}_{number:04d}.dat"
            if not file.is_file():
                last = self.n_members - 1
                raise InputError(f"PDF set {self.name} in {self.path} has no member {number} (0 to {last} exist)")
            ranges = _check_grid(file)
            self._members[number] = (_open_member(file, ranges), ranges)
        return self._members[number]


def load_pdf_set(name_or_path: str | os.PathLike, members: Iterable[int] | None = None) -> LHAPDFSet:
    """Open an LHAPDF set by its name or folder.

    A name is looked for in the folders of ``LHAPDF_DATA_PATH`` and then in :func:`nnpdf_lite.paths.search_path`;
    nothing is downloaded.

    Parameters
    ----------
    name_or_path : str or path
    members : iterable of int, optional
        Members to read now; the others (by default all but member 0) are read when first used.

    Raises
    ------
    InputError
        When the set is missing or one of its files is unreadable.
    """
    pdf_set = LHAPDFSet(_find(name_or_path))
    pdf_set.read(members or ())
    return pdf_set


def split_member(name: str) -> tuple[str, int | None]:
    """Split ``'SET/3'`` into ``('SET', 3)``; without a member number, the second is None."""
    match = re.fullmatch(r"(.+)/(\d+)/?", name)
    if match is None or Path(name).expanduser().is_dir():
        return name, None
    return match[1], int(match[2])


def _folders() -> list[Path]:
    entries = os.environ.get("LHAPDF_DATA_PATH", "").split(os.pathsep)
    return [Path(entry).expanduser() for entry in entries if entry] + search_path("pdfsets")


def _is_set(folder: Path) -> bool:
    return (folder / f"{folder.name}.info").is_file()


def _find(name_or_path: str | os.PathLike) -> Path:
    given = Path(name_or_path).expanduser()
    # The absolute path has a name even where '.' or a trailing slash is given.
    if _is_set(given.absolute()):
        return given.absolute()
    if given.name == str(given):
        for folder in _folders():
            if _is_set(folder / given.name):
                return folder / given.name
    if (given / "filter.yml").is_file():
        return _set_of_fit(given.absolute())  # members are opened from another folder
    if given.name != str(given) and given.is_dir():
        raise InputError(f"{given} is not a PDF set in LHAPDF format: it has no file {given.name}.info")
    available = sorted(info.stem for folder in _folders() if folder.is_dir() for info in folder.glob("*/*.info"))
    places = ", ".join(str(folder) for folder in _folders())
    hint = nearest(given.name, available) or (f" There: {', '.join(available[:10])}." if available else "")
    raise InputError(
        f"PDF set '{name_or_path}' not found in {places}.{hint} "
        "Give the folder of a set in LHAPDF format, or add the folder that holds it to LHAPDF_DATA_PATH."
    )


def _set_of_fit(fit: Path) -> Path:
    """Return the LHAPDF set of a fit folder, which may have another name than the folder has now."""
    found = [folder for folder in sorted((fit / "postfit").glob("*")) if folder.is_dir() and _is_set(folder)]
    if not found:
        raise InputError(f"{fit} is a fit without an LHAPDF set; write it with 'nnpdf-lite evolve {fit}'")
    return found[0]


def _read_info(path: Path) -> Mapping:
    file = path / f"{path.name}.info"
    try:
        info = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file}: unreadable ({str(error).splitlines()[0]})") from error
    if not isinstance(info, dict):
        raise InputError(f"{file}: expected 'key: value' lines")
    return info


def _check_grid(file: Path) -> _Ranges:
    """Return the coverage of a member file after checking that its grids are complete and finite."""
    grids = read_member(file)
    x_range = (max(float(grid.x[0]) for grid in grids), min(float(grid.x[-1]) for grid in grids))
    return _Ranges(grids[0].flavours, x_range, (float(grids[0].q[0]), float(grids[-1].q[-1])))


def _open_member(file: Path, ranges: _Ranges) -> PDF:
    """Open a checked member beside an ``.info`` that holds just what the reader insists on."""
    info = {
        "SetDesc": "", "SetIndex": 0, "NumMembers": 1, "Format": "lhagrid1", "Flavors": list(ranges.flavours),
        "XMin": ranges.x[0], "XMax": ranges.x[1], "QMin": ranges.q[0], "QMax": ranges.q[1],
        "AlphaS_Qs": [1.0, 2.0, 3.0, 4.0], "AlphaS_Vals": [0.1, 0.1, 0.1, 0.1],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "member"
        folder.mkdir()
        (folder / "member.info").write_text(yaml.safe_dump(info, default_flow_style=None))
        (folder / "member_0000.dat").symlink_to(file)
        return PDF.mkPDF_lhapdf_file(str(folder / "member_0000.dat"))
