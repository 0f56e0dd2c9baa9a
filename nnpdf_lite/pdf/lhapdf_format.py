"""The files of an LHAPDF6 set (format lhagrid1): members as subgrids of numbers, and a folder that appears whole.

Reference: A. Buckley et al., arXiv:1412.7420.
"""

import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from nnpdf_lite.errors import InputError

#: Cubic interpolation needs as many in x and in Q.
FEWEST_KNOTS = 4


@dataclass(frozen=True, eq=False)
class Subgrid:
    """``x f(x, Q)`` between two thresholds.

    Attributes
    ----------
    x : (X,) array
    q : (Q,) array
        Scales in GeV.
    flavours : tuple of int
        PDG numbers.
    values : (X, Q, F) array
    """

    x: np.ndarray
    q: np.ndarray
    flavours: tuple[int, ...]
    values: np.ndarray


def read_member(file: Path) -> list[Subgrid]:
    """Read the subgrids of a member file, checked to be complete, finite and joined in Q.

    Raises
    ------
    InputError
        If the file is missing, unreadable, incomplete or inconsistent.
    """
    try:
        _header, *blocks = re.split(r"\n---[ \t]*(?=\n|$)", file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: unreadable ({error})") from error
    if len(blocks) < 2 or blocks.pop().strip():
        raise InputError(f"{file}: not a complete LHAPDF grid: expected blocks that each end with a line '---'")
    grids = [_read_block(file, number, block.strip()) for number, block in enumerate(blocks, start=1)]
    if any(grid.flavours != grids[0].flavours for grid in grids):
        raise InputError(f"{file}: its subgrids hold different flavours")
    if any(lower.q[-1] != upper.q[0] for lower, upper in itertools.pairwise(grids)):
        raise InputError(f"{file}: its subgrids do not join in Q")
    return grids


def _read_block(file: Path, number: int, block: str) -> Subgrid:
    where = f"{file}: subgrid {number}"
    lines = block.split("\n", 3)
    try:
        x, q = (np.array(line.split(), dtype=float) for line in lines[:2])
        flavours = tuple(int(pid) for pid in lines[2].split())
        values = np.array(lines[3].split(), dtype=float)
    except (ValueError, IndexError):
        raise InputError(f"{where}: expected lines of x, Q and flavours and then a table of numbers") from None
    for name, knots in (("x", x), ("Q", q)):
        if len(knots) < FEWEST_KNOTS or knots[0] <= 0 or not np.all(np.diff(knots) > 0):
            raise InputError(f"{where}: expected at least {FEWEST_KNOTS} ascending positive {name} knots")
    expected = len(x) * len(q) * len(flavours)
    if values.size != expected:
        raise InputError(
            f"{where}: {values.size} values where {len(x)} x {len(q)} (x, Q) x {len(flavours)} (flavours) = {expected} "
            "are expected; is the file cut short?"
        )
    if not np.all(np.isfinite(values)):
        raise InputError(f"{where}: holds numbers that are not finite")
    return Subgrid(x, q, flavours, values.reshape(len(x), len(q), len(flavours)))


def member_text(kind: str, grids: Sequence[Subgrid]) -> str:
    """Return a member file; ``kind`` is LHAPDF's ``PdfType``: central, replica or error."""
    return f"PdfType: {kind}\nFormat: lhagrid1\n---\n" + "".join(map(_block, grids))


def _block(grid: Subgrid) -> str:
    # x and Q keep all digits, since readers compare them with scales computed elsewhere.
    head = [" ".join(map(repr, knots.tolist())) for knots in (grid.x, grid.q)] + [" ".join(map(str, grid.flavours))]
    row = " ".join(["%.7E"] * len(grid.flavours)) + "\n"
    body = (row * (len(grid.x) * len(grid.q))) % tuple(grid.values.ravel().tolist())
    return "\n".join(head) + "\n" + body + "---\n"


def check_free(path: str | os.PathLike, overwrite: bool = False) -> Path:
    """Return the absolute path of a set to be written there.

    Raises
    ------
    InputError
        If something is there, unless it is an LHAPDF set and ``overwrite`` is True.
    """
    target = Path(path).expanduser().absolute()
    if target.exists() and not overwrite:
        raise InputError(f"{target} exists already; choose another name or ask to overwrite it")
    if target.exists() and not (target / f"{target.name}.info").is_file():
        raise InputError(f"{target} exists and is not an LHAPDF set; it is not overwritten")
    return target


def write_set(
    path: str | os.PathLike, info: Mapping, members: Iterable[tuple[int, str]], *, overwrite: bool = False
) -> Path:
    """Write a set into the new folder ``path``, which appears only when it is complete.

    Parameters
    ----------
    path : path
        Its last part is the name of the set.
    info : Mapping
        The ``.info`` file.
    members : iterable of (int, str)
        Number and text (`member_text`) of each member.
    overwrite : bool
        Replace an LHAPDF set of this name; anything else at ``path`` is never touched.

    Raises
    ------
    InputError
        When ``path`` exists or cannot be written.
    """
    target = check_free(path, overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            folder = Path(scratch) / target.name
            folder.mkdir()
            (folder / f"{target.name}.info").write_text(_yaml(info))
            for number, text in members:
                (folder / f"{target.name}_{number:04d}.dat").write_text(text)
            if target.exists():
                target.rename(Path(scratch) / "replaced")
            folder.rename(target)
    except OSError as error:
        raise InputError(f"cannot write the PDF set {target}: {error.strerror or error}") from error
    return target


def _yaml(info: Mapping) -> str:
    """Return the info file: one key per line, lists in brackets, which is all that every LHAPDF reader understands."""
    return yaml.safe_dump(dict(info), default_flow_style=None, sort_keys=False, width=100_000, allow_unicode=True)
