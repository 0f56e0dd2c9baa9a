"""Sets made of linear combinations of the members of other sets.

Evolution is linear, so a combination of evolved grids is the evolved combination, at every scale.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..pdf.lhapdf_format import FEWEST_KNOTS, Subgrid, check_free, member_text, read_member, write_set
from .sources import PDFSet, Track, silent
from .uncertainty import number_in

#: Numbers held at once while members are added up: 0.5 GB.
_MOST_NUMBERS = 2**26


@dataclass(frozen=True, eq=False)
class Part:
    """What a set contributes to a new one.

    Attributes
    ----------
    pdf : PDFSet
    matrix : (K, M) array
        Coefficients of its M members (`PDFSet.member_numbers`) in each of the K members of the new set.
    """

    pdf: PDFSet
    matrix: np.ndarray


def write_combinations(
    path: str | os.PathLike,
    parts: Sequence[Part],
    info: Mapping[str, object],
    *,
    overwrite: bool = False,
    track: Track = silent,
) -> Path:
    """Write the set whose member k is the sum over parts of ``matrix[k] @ members``.

    Where the grids of the parts differ, all are interpolated to those of the first, within the range of x and Q and the
    flavours that all of them cover.

    Parameters
    ----------
    path : path
        New folder; its last part is the name of the set.
    parts : sequence of Part
        Their matrices have as many rows as the new set has members, member 0 included.
    info : Mapping
        Changes to the ``.info`` of the first part, such as ``ErrorType``; None removes a key.
    overwrite : bool
        Replace an LHAPDF set of this name.
    track : callable
        Shows progress (`sources.Track`).

    Raises
    ------
    InputError
        If ``path`` exists or cannot be written, the sets do not fit together, or a member is unreadable.
    """
    target = check_free(path, overwrite)
    grid = common_grid([part.pdf for part in parts])
    n = len(parts[0].matrix)
    limits = {
        "Flavors": list(grid[0].flavours), "NumMembers": n, "SetIndex": 0, "DataVersion": 1,
        "XMin": float(grid[0].x[0]), "XMax": float(grid[0].x[-1]), "QMin": float(grid[0].q[0]),
        "QMax": float(grid[-1].q[-1]),
    }  # fmt: skip
    merged = {**parts[0].pdf.lhapdf.info, **limits, **info}
    kind = "replica" if merged["ErrorType"] == "replicas" else "error"
    texts = ((number, member_text(kind if number else "central", grids)) for number, grids in _sums(parts, grid, track))
    return write_set(target, {k: v for k, v in merged.items() if v is not None}, texts, overwrite=overwrite)


def common_grid(sets: Sequence[PDFSet]) -> list[Subgrid]:
    """Return the knots (no values) of the first set, within what all sets cover.

    Raises
    ------
    InputError
        If the sets have no flavours or no range in common, or were made with another alpha_s or order.
    """
    for key in ("AlphaS_MZ", "OrderQCD"):
        values = [number_in(pdf.lhapdf.info, key, pdf.name, np.nan) for pdf in sets]
        for pdf, one in zip(sets, values):
            if abs(one - values[0]) > 1e-4 * abs(values[0]):  # not where either does not say
                raise InputError(
                    f"PDF sets {sets[0].name} and {pdf.name} do not combine: {key} is {values[0]:g} and {one:g}; PDFs fitted "
                    "with another coupling or order are not samples of one quantity"
                )
    first = read_member(_file(sets[0], 0))
    flavours = tuple(pid for pid in first[0].flavours if all(pid in pdf.lhapdf.flavors for pdf in sets))
    low, high = max(pdf.lhapdf.q_min for pdf in sets), min(pdf.lhapdf.q_max for pdf in sets)
    x_min = max(pdf.lhapdf.x_min for pdf in sets)
    if not flavours or not low < high:
        ranges = "; ".join(f"{p.name} {p.lhapdf.q_min:g} to {p.lhapdf.q_max:g} GeV" for p in sets)
        raise InputError(f"PDF sets have no flavours or no range of Q in common ({ranges})")
    grids = []
    for grid in first:
        q, x = _within(grid.q, low, high), _within(grid.x, x_min, 1.0)
        if len(q) > 1:
            q = q if len(q) >= FEWEST_KNOTS else np.geomspace(q[0], q[-1], FEWEST_KNOTS)
            grids.append(Subgrid(x, q, flavours, np.empty(0)))
    return grids


def _within(knots: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the knots inside an interval, and its ends where they lie between knots."""
    low, high = max(low, knots[0]), min(high, knots[-1])
    inside = knots[(knots > low * (1 + 1e-9)) & (knots < high * (1 - 1e-9))]
    return np.concatenate([[low], inside, [high]]) if low < high else inside


def _sums(parts: Sequence[Part], grid: list[Subgrid], track: Track) -> Iterator[tuple[int, list[Subgrid]]]:
    """Yield number and grids of each new member; members are read one at a time and added up in portions."""
    shapes = [(len(g.x), len(g.q), len(g.flavours)) for g in grid]
    sizes = [int(np.prod(shape)) for shape in shapes]
    portion = max(1, _MOST_NUMBERS // sum(sizes))
    for start in range(0, len(parts[0].matrix), portion):
        rows = slice(start, min(start + portion, len(parts[0].matrix)))
        totals = np.zeros((rows.stop - rows.start, sum(sizes)))
        needed = [(p, m) for p in parts for m in range(p.matrix.shape[1]) if p.matrix[rows, m].any()]
        for part, member in track(needed, "reading members"):
            column = part.matrix[rows, member]
            used = np.flatnonzero(column)
            totals[used] += column[used, None] * _values(part.pdf, part.pdf.member_numbers[member], grid)
        for number, values in track(list(enumerate(totals, start=start)), "writing members"):
            blocks = np.split(values, np.cumsum(sizes)[:-1])
            yield number, [Subgrid(g.x, g.q, g.flavours, b.reshape(s)) for g, b, s in zip(grid, blocks, shapes)]


def _values(pdf: PDFSet, member: int, grid: list[Subgrid]) -> np.ndarray:
    """Return ``x f`` of a member on the knots of ``grid``, flat: its own numbers where the knots are its own."""
    own = read_member(_file(pdf, member))
    same = len(own) == len(grid) and all(
        np.array_equal(a.x, b.x) and np.array_equal(a.q, b.q) for a, b in zip(own, grid)
    )
    if same:
        columns = [own[0].flavours.index(pid) for pid in grid[0].flavours]
        return np.concatenate([g.values[:, :, columns].ravel() for g in own])
    return np.concatenate([pdf.lhapdf.xfxq(g.flavours, g.x, g.q, member).transpose(1, 2, 0).ravel() for g in grid])


def _file(pdf: PDFSet, member: int) -> Path:
    return pdf.lhapdf.path / f"{pdf.name}_{member:04d}.dat"
