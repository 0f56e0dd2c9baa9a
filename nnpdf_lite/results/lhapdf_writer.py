"""Writes an ensemble at Q0 as an LHAPDF6 set (format lhagrid1).

Reference: A. Buckley et al., arXiv:1412.7420.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from nnpdf_lite.errors import InputError
from nnpdf_lite.evolution import PARTON_PIDS, Evolution
from nnpdf_lite.pdf.lhapdf_format import Subgrid, check_free, member_text, write_set


def write_lhapdf(
    path: str | os.PathLike,
    members: np.ndarray,
    x: np.ndarray,
    theory_card: Mapping,
    *,
    description: str = "",
    authors: str = "",
    reference: str = "",
    set_index: int = 0,
    central_only: bool = False,
    overwrite: bool = False,
) -> Path:
    """Evolve an ensemble and write it as the LHAPDF set ``path.name`` in the folder ``path``.

    Member 0 is the mean of the members, the others follow in their order. The folder appears only when it is complete.

    Parameters
    ----------
    path : path
        Folder to create; its last part is the name of the set.
    members : (R, X, 14) array
        ``f = xf/x`` at Q0 in the evolution basis.
    x : (X,) array
        Ascending momentum fractions from 1e-9 to 1, which become the x knots of the set.
    theory_card : Mapping
        Order, masses, thresholds and coupling of the evolution (:class:`~nnpdf_lite.evolution.Evolution`).
    description, authors, reference : str
        Go into the ``.info`` file.
    set_index : int
        LHAPDF ID of member 0; 0 for a set without one.
    central_only : bool
        Write only the mean of the members.
    overwrite : bool
        Replace an LHAPDF set of this name; anything else at ``path`` is never touched.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InputError
        When ``path`` exists or cannot be written, or when a member cannot be evolved.
    """
    target = check_free(path, overwrite)
    members, x = np.asarray(members, dtype=float), np.asarray(x, dtype=float)
    if members.ndim != 3 or len(members) == 0:
        raise ValueError(f"expected PDFs of shape (R, X, 14), got {members.shape}")
    evolution = Evolution(theory_card)
    knots = evolution.subgrids()
    flavours = tuple(pid for pid in PARTON_PIDS if pid == 21 or abs(pid) <= evolution.settings.flavours(knots[-1][-1]))
    info = _info(evolution, knots, list(flavours), x, 1 if central_only else len(members) + 1)
    info |= {"SetDesc": description, "Authors": authors, "Reference": reference, "SetIndex": set_index}
    texts = _members(target.name, evolution, members, x, knots, flavours, central_only)
    return write_set(target, info, texts, overwrite=overwrite)


def _members(
    name: str,
    evolution: Evolution,
    members: np.ndarray,
    x: np.ndarray,
    knots: list[np.ndarray],
    flavours: tuple[int, ...],
    central_only: bool,
) -> Iterator[tuple[int, str]]:
    columns = [PARTON_PIDS.index(pid) for pid in flavours]
    scales = np.concatenate([evolution.inside(q) for q in knots])
    edges = np.cumsum([len(q) for q in knots])[:-1]
    replicas = [] if central_only else list(enumerate(members, start=1))
    for number, f in [*replicas, (0, np.mean(members, axis=0))]:  # last, so that a replica at fault is named
        try:
            evolved = evolution.evolve(x, f, scales)[:, :, columns]
        except InputError as error:
            raise InputError(f"member {number} of the PDF set {name}: {error}") from None
        values = [xf.transpose(1, 0, 2) for xf in np.split(evolved, edges)]
        grids = [Subgrid(x, q, flavours, xf) for q, xf in zip(knots, values)]
        yield number, member_text("replica" if number else "central", grids)


def _info(
    evolution: Evolution, knots: list[np.ndarray], flavours: list[int], x: np.ndarray, n_members: int
) -> dict[str, object]:
    settings = evolution.settings
    mc, mb, mt = settings.masses
    mz = 91.1876
    return {
        "SetDesc": "",
        "SetIndex": 0,
        "Authors": "",
        "Reference": "",
        "Format": "lhagrid1",
        "DataVersion": 1,
        "NumMembers": n_members,
        "Particle": 2212,
        "Flavors": flavours,
        "OrderQCD": settings.loops - 1,
        "FlavorScheme": "fixed" if settings.fixed_flavours else "variable",
        "NumFlavors": settings.flavours(knots[-1][-1]),
        "ErrorType": "replicas" if n_members > 1 else "unknown",
        "XMin": float(x[0]),
        "XMax": float(x[-1]),
        "QMin": float(knots[0][0]),
        "QMax": float(knots[-1][-1]),
        "MZ": mz,
        "MUp": 0.0,
        "MDown": 0.0,
        "MStrange": 0.0,
        "MCharm": mc,
        "MBottom": mb,
        "MTop": mt,
        "AlphaS_MZ": float(evolution.alphas(mz)),
        "AlphaS_OrderQCD": settings.loops - 1,
        "AlphaS_Type": "ipol",
        "AlphaS_Qs": np.concatenate(knots).tolist(),
        "AlphaS_Vals": evolution.alphas(np.concatenate([evolution.inside(q) for q in knots])).tolist(),
    }
