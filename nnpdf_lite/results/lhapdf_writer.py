"""Writes an ensemble at Q0 as an LHAPDF6 set (format lhagrid1).

Reference: A. Buckley et al., arXiv:1412.7420.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from nnpdf_lite.errors import InputError
from nnpdf_lite.evolution import PARTON_PIDS, Evolution


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
    target = Path(path).absolute()
    members, x = np.asarray(members, dtype=float), np.asarray(x, dtype=float)
    if members.ndim != 3 or len(members) == 0:
        raise ValueError(f"expected PDFs of shape (R, X, 14), got {members.shape}")
    _check_free(target, overwrite)
    evolution = Evolution(theory_card)
    knots = evolution.subgrids()
    flavours = [pid for pid in PARTON_PIDS if pid == 21 or abs(pid) <= evolution.settings.flavours(knots[-1][-1])]
    info = _info(evolution, knots, flavours, x, 1 if central_only else len(members) + 1)
    info |= {"SetDesc": description, "Authors": authors, "Reference": reference, "SetIndex": set_index}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            folder = Path(scratch) / target.name
            folder.mkdir()
            (folder / f"{target.name}.info").write_text(_yaml(info))
            _write_members(folder, evolution, members, x, knots, flavours, central_only)
            if target.exists():
                target.rename(Path(scratch) / "replaced")
            folder.rename(target)
    except OSError as error:
        raise InputError(f"cannot write the PDF set {target}: {error.strerror or error}") from error
    return target


def _check_free(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise InputError(f"{target} exists already; choose another name or ask to overwrite it")
    if not (target / f"{target.name}.info").is_file():
        raise InputError(f"{target} exists and is not an LHAPDF set; it is not overwritten")


def _write_members(
    folder: Path,
    evolution: Evolution,
    members: np.ndarray,
    x: np.ndarray,
    knots: list[np.ndarray],
    flavours: list[int],
    central_only: bool,
) -> None:
    columns = [PARTON_PIDS.index(pid) for pid in flavours]
    scales = np.concatenate([evolution.inside(q) for q in knots])
    edges = np.cumsum([len(q) for q in knots])[:-1]

    def write(number: int, f: np.ndarray) -> None:
        try:
            evolved = evolution.evolve(x, f, scales)[:, :, columns]
        except InputError as error:
            raise InputError(f"member {number} of the PDF set {folder.name}: {error}") from None
        blocks = [_block(x, q, flavours, xf) for q, xf in zip(knots, np.split(evolved, edges))]
        kind = "replica" if number else "central"
        header = f"PdfType: {kind}\nFormat: lhagrid1\n---\n"
        (folder / f"{folder.name}_{number:04d}.dat").write_text(header + "".join(blocks))

    if not central_only:
        for number, f in enumerate(members, start=1):
            write(number, f)
    write(0, np.mean(members, axis=0))


def _block(x: np.ndarray, q: np.ndarray, flavours: list[int], xf: np.ndarray) -> str:
    """Return one subgrid as text; ``xf`` has shape (Q, X, flavours) and is written with x as the slowest index."""
    # x and Q keep all digits, since readers compare them with scales computed elsewhere.
    head = [" ".join(map(repr, knots.tolist())) for knots in (x, q)] + [" ".join(map(str, flavours))]
    row = " ".join(["%.7E"] * len(flavours)) + "\n"
    values = xf.transpose(1, 0, 2)
    body = (row * (values.shape[0] * values.shape[1])) % tuple(values.ravel().tolist())
    return "\n".join(head) + "\n" + body + "---\n"


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


def _yaml(info: Mapping) -> str:
    """Return the info file: one key per line, lists in brackets, which is all that every LHAPDF reader understands."""
    return yaml.safe_dump(dict(info), default_flow_style=None, sort_keys=False, width=100_000, allow_unicode=True)
