"""Fit folders on disk, in the layout of the field's post-processing tools.

``FIT/filter.yml`` (the full runcard), ``FIT/nnfit/replica_N/{FIT.json, FIT.exportgrid}``, ``FIT/postfit/``; beside them
``FIT/training/`` (checkpoints, logs of the workers). Everything appears under its name only when it is complete.
"""

import json
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..errors import InputError, nearest
from ..flavours import EVOLUTION_TO_FLAVOUR, FLAVOUR_TO_EVOLUTION
from ..runcard import Runcard, load_runcard, review
from .ensemble import ARC_LENGTH_FLAVOURS, INTEGRABILITY_FLAVOURS, Ensemble, ReplicaRecord

#: Partons of an export grid, in its order (that of ``FLAVOUR_PIDS``).
LABELS = ("TBAR", "BBAR", "CBAR", "SBAR", "UBAR", "DBAR", "GLUON", "D", "U", "S", "C", "B", "T", "PHT")
_ORDER = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]


@dataclass(frozen=True)
class FitFolder:
    """Where a fit lies."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the fit: that of its folder."""
        return self.path.name

    @property
    def replicas_path(self) -> Path:
        """Folder of the replicas."""
        return self.path / "nnfit"

    @property
    def training_path(self) -> Path:
        """Folder of checkpoints and logs."""
        return self.path / "training"

    @property
    def models_path(self) -> Path:
        """File of the models of a fit that takes them from a scan: replica k has number k modulo how many there are."""
        return self.path / "models.json"

    @property
    def lhapdf_path(self) -> Path:
        """Folder of the LHAPDF set."""
        return self.path / "postfit" / self.name

    def replica_path(self, replica: int) -> Path:
        """Folder of one replica."""
        return self.replicas_path / f"replica_{replica}"

    def finished(self) -> list[int]:
        """Numbers of the replicas on disk, ascending."""
        numbers = [p.name.removeprefix("replica_") for p in self.replicas_path.glob("replica_*")]
        return sorted(int(n) for n in numbers if n.isdigit())

    def runcard(self) -> Runcard:
        """Read the runcard the fit was made with; keys of n3fit's that are not supported are left out, with a warning.

        Raises
        ------
        InputError
            If it cannot be read, or not even without those keys.
        """
        file = self.path / "filter.yml"
        try:
            return load_runcard(file)
        except InputError:
            found = review(file)
            if found.card is None:
                raise
            keys = ", ".join(key.path for _, key in found.unsupported)
            warnings.warn(f"{file}: made with n3fit's {keys}, which are not taken into account here", stacklevel=2)
            return found.card


def open_folder(path: Path) -> FitFolder:
    """Open an existing fit folder.

    Raises
    ------
    InputError
        If there is no fit in ``path``.
    """
    folder = FitFolder(Path(path).expanduser().absolute())
    if not folder.path.exists():
        siblings = [other.parent.name for other in folder.path.parent.glob("*/filter.yml")]
        raise InputError(f"{path}: there is no such fit folder.{nearest(folder.name, siblings)}")
    if not (folder.path / "filter.yml").is_file():
        raise InputError(f"{path}: not a fit folder (it holds no filter.yml)")
    return folder


def check_folder(path: Path, card: Runcard, *, resume: bool = False) -> FitFolder:
    """Return the fit folder ``path``, which need not exist yet, after checking that a fit of ``card`` may go there.

    Raises
    ------
    InputError
        Unless it is new, empty or made with the same runcard, or if it is to be resumed and is not there.
    """
    folder = FitFolder(Path(path).expanduser().absolute())
    if resume and not folder.path.is_dir():
        raise InputError(f"{path}: nothing to resume, there is no such folder; leave out --resume to start a fit")
    if (folder.path / "filter.yml").is_file():
        difference = first_difference(folder.runcard(), card)
        if difference:
            raise InputError(
                f"{path}: exists and was made with another runcard ({difference}); "
                "nothing was written. Choose another --output, or remove the folder"
            )
    elif folder.path.exists() and not (folder.path.is_dir() and not any(folder.path.iterdir())):
        raise InputError(f"{path}: exists and is not a fit folder; nothing was written. Choose another --output")
    return folder


def create_folder(path: Path, card: Runcard) -> FitFolder:
    """Create a fit folder, or go on in one that was made with the same runcard.

    Raises
    ------
    InputError
        If the folder belongs to another runcard or holds something else, or the disk cannot be written.
    """
    folder = check_folder(path, card)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        write_text(folder.path / "filter.yml", card.dump_for_folder())
        folder.replicas_path.mkdir(exist_ok=True)
        folder.training_path.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    return folder


def first_difference(old: Runcard, new: Runcard, only: dict | None = None) -> str:
    """Name the first value in which two cards differ; how many replicas are wanted does not change a replica.

    ``only`` restricts the comparison to some keys: a mapping of them to True, or to such a mapping of keys within.
    """
    free = {"replicas", "description", "maxcores", "debug"}
    one, other = (card.model_dump(include=only, exclude=free) for card in (old, new))
    return difference(one, other)


def difference(old: Any, new: Any, key: str = "") -> str:
    """Name the first value in which two plain cards differ, or return an empty string."""
    if old == new:
        return ""
    if isinstance(old, dict) and isinstance(new, dict):
        name = next(name for name in {**old, **new} if old.get(name) != new.get(name))
        return difference(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(old) == len(new):
        i = next(i for i, pair in enumerate(zip(old, new)) if pair[0] != pair[1])
        return difference(old[i], new[i], f"{key}[{i}]")
    if isinstance(old, (list, tuple, dict)) or isinstance(new, (list, tuple, dict)):
        return f"{key} differs"
    return f"{key} is {old} there, {new} here"


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_replica(
    folder: FitFolder, record: ReplicaRecord, x: np.ndarray, f: np.ndarray, q0: float, info: dict, files: dict[str, str]
) -> None:
    """Write one replica: ``f`` (X, 14) on ``x``, its record, ``info`` added to it, and further ``files`` by name.

    Raises
    ------
    InputError
        If the disk cannot be written.
    """
    final = folder.replica_path(record.replica)
    temporary = final.with_name(f".{final.name}.part")
    grid = {
        "replica": record.replica,
        "q20": q0**2,
        "xgrid": x.tolist(),
        "labels": list(LABELS),
        "pdfgrid": ((f * x[:, None]) @ EVOLUTION_TO_FLAVOUR.T)[:, _ORDER].tolist(),
    }
    summary = {
        "preprocessing": list(record.preprocessing),
        "stop_epoch": record.stop_epoch,
        "best_epoch": record.best_epoch,
        "erf_tr": record.training,
        "erf_vl": record.validation,
        "chi2": record.chi2,
        "pos_state": "POS_PASS" if record.passed_positivity else "POS_VETO",
        "arc_lengths": list(record.arc_lengths),
        "integrability": list(record.integrability),
        "attempts": record.attempts,
        "history": np.asarray(record.history, float).round(6).tolist(),
        **info,
    }
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        # JSON is YAML, but for 1e-09, a string in YAML 1.1: the field's tools read export grids with such a reader.
        text = re.sub(r"(?<![\d.])(\d+)e", r"\1.0e", json.dumps(grid))
        (temporary / f"{folder.name}.exportgrid").write_text(text)
        (temporary / f"{folder.name}.json").write_text(json.dumps(summary, indent=1))
        (temporary / "chi2exps.log").write_text(json.dumps(_history_log(record), indent=1))
        for name, text in files.items():
            (temporary / name).write_text(text)
        temporary.rename(final)
    except OSError as error:
        raise InputError(f"{final}: replica cannot be written ({error.strerror or error})") from None


def _history_log(record: ReplicaRecord) -> dict[str, dict[str, float]]:
    """Return the history of a replica as n3fit logs it; NNPDF's postfit takes no replica without that file."""
    rows = np.asarray(record.history, float).reshape(-1, 3).round(6).tolist()
    return {f"{epoch:.0f}": {"training_loss": training, "validation_loss": valid} for epoch, training, valid in rows}


def read_ensemble(folder: FitFolder) -> Ensemble:
    """Read all replicas of a fit folder.

    Raises
    ------
    InputError
        If there is none, or one is unreadable or lies on another grid.
    """
    numbers = folder.finished()
    if not numbers:
        raise InputError(f"{folder.path}: holds no finished replica yet; run 'nnpdf-lite fit' with --resume")
    pieces = [_read_replica(folder, n) for n in numbers]
    x, q0 = pieces[0][1], pieces[0][3]
    for n, piece in zip(numbers, pieces):
        if len(piece[1]) != len(x) or not np.allclose(piece[1], x, rtol=1e-8) or not np.isclose(piece[3], q0):
            raise InputError(f"{folder.replica_path(n)}: on another x grid or scale than replica {numbers[0]}")
    return Ensemble(x, np.array([p[2] for p in pieces]), q0, tuple(p[0] for p in pieces))


def _read_replica(folder: FitFolder, number: int) -> tuple[ReplicaRecord, np.ndarray, np.ndarray, float]:
    path = folder.replica_path(number)
    try:
        grid_file = _only(path, "*.exportgrid")
        text = grid_file.read_text()
        grid = _mapping(text)
        info = json.loads(_only(path, "*.json").read_text())
        x, xf = np.array(grid["xgrid"], float), np.array(grid["pdfgrid"], float)
        columns = [list(grid["labels"]).index(label) for label in LABELS]
        f = (xf[:, columns] / x[:, None]) @ FLAVOUR_TO_EVOLUTION.T
        q0 = float(np.sqrt(grid["q20"]))
        record = ReplicaRecord(
            replica=number,
            best_epoch=int(info["best_epoch"]),
            stop_epoch=int(info["stop_epoch"]),
            training=float(info["erf_tr"]),
            validation=float(info["erf_vl"]),
            chi2=float(info["chi2"]),
            passed_positivity=info["pos_state"] == "POS_PASS",
            arc_lengths=tuple(info["arc_lengths"]),
            integrability=tuple(info["integrability"]),
            preprocessing=tuple(info["preprocessing"]),
            attempts=int(info.get("attempts", 1)),
            history=np.array(info.get("history", np.empty((0, 3))), float),
            timing=dict(info.get("timing", {})),
            versions=dict(info.get("version", {})),
        )
        for key, flavours in (("arc_lengths", ARC_LENGTH_FLAVOURS), ("integrability", INTEGRABILITY_FLAVOURS)):
            if len(getattr(record, key)) != len(flavours):
                raise ValueError(f"{key} does not hold {len(flavours)} numbers")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, yaml.YAMLError) as error:
        reason = f"the key {error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(
            f"{path}: unreadable replica ({reason}); remove this folder and fit replica {number} again with --resume"
        ) from None
    return record, x, f, q0


def _mapping(text: str) -> dict[str, Any]:
    """Read an export grid: JSON as written here, YAML as n3fit writes it (which may begin with a brace, too)."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _only(path: Path, pattern: str) -> Path:
    found = [p for p in path.glob(pattern) if not p.name.startswith((".", "chi2"))]
    if len(found) != 1:
        raise ValueError(f"expected one file {pattern}, found {len(found)}")
    return found[0]
