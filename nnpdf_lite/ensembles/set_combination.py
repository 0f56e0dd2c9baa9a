"""Statistical combination of sets: replicas of each put together, as PDF4LHC does (arXiv:1510.03865, 2203.05506).

A set of replicas gives some of its own, drawn at random without repetition; a Hessian set gives replicas made after
Watt and Thorne (arXiv:1205.4024; 2203.05506, equation 4.3): ``f_0 + sum_i r_i (f_i+ - f_i-) / 2`` with standard normal r.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .linear import Part, write_combinations
from .sources import PDFSet, Track, silent
from .uncertainty import ErrorModel


def write_combination(
    sets: Sequence[PDFSet],
    path: str | os.PathLike,
    numbers: Sequence[int] | None = None,
    *,
    seed: int = 1,
    overwrite: bool = False,
    track: Track = silent,
) -> Path:
    """Write a set of replicas that combines several sets.

    Parameters
    ----------
    sets : sequence of PDFSet
        Two or more.
    path : path
        New folder of the set.
    numbers : sequence of int, optional
        Replicas from each; by default as many from each as the smallest set of replicas has (100 if all are Hessian).
    seed : int
        Of the draws.
    overwrite : bool
        Replace an LHAPDF set of this name.
    track : callable
        Shows progress (`sources.Track`).

    Raises
    ------
    InputError
        If a set has one member or fewer replicas than asked for, or the sets do not fit together.
    """
    if len(sets) < 2:
        raise InputError(f"combining needs two sets or more, {len(sets)} given")
    sizes = [pdf.errors.n for pdf in sets if pdf.errors.kind == "replicas"]
    numbers = list(numbers) if numbers is not None else [min(sizes, default=100)] * len(sets)
    if len(numbers) != len(sets):
        raise InputError(f"{len(numbers)} numbers of replicas for {len(sets)} sets; expected one for each")
    total, start, parts = sum(numbers), 1, []
    seeds = np.random.SeedSequence(seed).spawn(len(sets))
    for pdf, n, child in zip(sets, numbers, seeds):
        try:
            rows = replica_combinations(pdf.errors, n, np.random.default_rng(child))
        except InputError as error:
            raise InputError(f"{pdf.name}: {error}") from None
        matrix = np.zeros((1 + total, 1 + pdf.errors.n))
        matrix[start : start + n] = rows
        matrix[0] = rows.sum(axis=0) / total
        start += n
        parts.append(Part(pdf, matrix))
    shares = ", ".join(f"{n} from {pdf.name}" for pdf, n in zip(sets, numbers))
    info = {
        "ErrorType": "replicas", "ErrorConfLevel": None, "SetDesc": f"{total} replicas: {shares}",
        "Authors": "; ".join(dict.fromkeys(str(pdf.lhapdf.info.get("Authors", "")) for pdf in sets)),
        "Reference": "; ".join(dict.fromkeys(str(pdf.lhapdf.info.get("Reference", "")) for pdf in sets)),
    }  # fmt: skip
    return write_combinations(path, parts, info, overwrite=overwrite, track=track)


def replica_combinations(errors: ErrorModel, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the coefficients (n, M) of a set's members in ``n`` replicas that follow its distribution.

    Raises
    ------
    InputError
        If there is no distribution, or there are not ``n`` replicas.
    """
    if n < 1:
        raise InputError(f"{n} replicas asked for, expected at least 1")
    if not errors.has_uncertainty:
        raise InputError("a set of one member has no replicas to combine")
    rows = np.zeros((n, 1 + errors.n))
    if errors.kind == "replicas":
        if n > errors.n:
            raise InputError(f"{n} replicas asked for, {errors.n} are there")
        rows[np.arange(n), 1 + np.sort(rng.permutation(errors.n)[:n])] = 1.0
        return rows
    normal = errors.scale * rng.standard_normal((n, errors.n if errors.kind == "symmhessian" else errors.n // 2))
    rows[:, 0] = 1.0
    if errors.kind == "hessian":
        rows[:, 1::2], rows[:, 2::2] = 0.5 * normal, -0.5 * normal
    else:
        rows[:, 1:] = normal
        rows[:, 0] -= normal.sum(axis=1)
    return rows
