"""Reading ``cluster.yml``: one block, named after a batch system."""

from pathlib import Path
from typing import Any

import yaml
from dask.utils import parse_bytes

from ..errors import InputError, nearest
from .batch_system import RESERVED, SYSTEMS, BatchSystem, options_of
from .local import LocalWorkers, cores

#: Keys that are not dask-jobqueue's.
OWN = ("workers", "dashboard")
#: What dask-jobqueue cannot do without.
NEEDED = {"cores": "cores of a job", "memory": "memory of a job, such as 16GB", "disk": "disk of a job, such as 2GB"}


def read_cluster_file(path: Path, workers: int | None) -> LocalWorkers | BatchSystem:
    """Read a file; ``workers`` replaces what it says.

    Raises
    ------
    InputError
        Naming file, key and value of a mistake.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    if isinstance(document, dict) and list(document) == ["jobqueue"]:  # as in Dask's own configuration
        document = document["jobqueue"]
    systems = f"expected one block named {', '.join(SYSTEMS)} or local"
    if not isinstance(document, dict) or not document:
        raise InputError(f"{path}: {systems}")
    system, *others = document
    if system not in (*SYSTEMS, "local"):
        raise InputError(f"{path}: {system}: unknown batch system; {systems}.{nearest(system, [*SYSTEMS, 'local'])}")
    if others:
        raise InputError(f"{path}: {others[0]}: a second block after '{system}'; {systems}")
    block = document[system] or {}
    if not isinstance(block, dict):
        raise InputError(f"{path}: {system}: {block}; expected keys and values")
    return _local(path, block, workers) if system == "local" else _batch_system(path, system, block, workers)


def _local(path: Path, block: dict[str, Any], workers: int | None) -> LocalWorkers:
    _check_keys(path, "local", block, OWN)
    return LocalWorkers(workers or _whole(path, "local.workers", block.get("workers", cores())), _port(path, "local", block))


def _batch_system(path: Path, system: str, block: dict[str, Any], workers: int | None) -> BatchSystem:
    # Dask's own configuration writes hyphens, its Python functions underscores.
    block = {str(key).replace("-", "_"): value for key, value in block.items()}
    known = options_of(system)
    _check_keys(path, system, block, [*OWN, *known])
    for key, meaning in NEEDED.items():
        if key in known and block.get(key) is None:
            raise InputError(f"{path}: {system}.{key}: missing; expected the {meaning}")
        if key in block and key != "cores":
            _check_bytes(path, f"{system}.{key}", block[key])
    per_job = _whole(path, f"{system}.cores", block["cores"])
    wanted = workers or _whole(path, f"{system}.workers", block.get("workers", per_job))
    for key in ("job_script_prologue", "job_extra_directives", "worker_extra_args"):
        value = block.get(key, [])
        if not (isinstance(value, list) and all(isinstance(line, str) for line in value) or isinstance(value, dict)):
            raise InputError(f"{path}: {system}.{key}: {value}; expected a list of lines")
    options = {key: value for key, value in block.items() if key not in OWN}
    return BatchSystem(system, options, wanted, _port(path, system, block))


def _check_keys(path: Path, system: str, block: dict, known: tuple[str, ...] | list[str]) -> None:
    for key in block:
        if key in RESERVED:
            reason = RESERVED[key] or "it is for programs"
            raise InputError(f"{path}: {system}.{key}: cannot be chosen here; {reason}")
        if key not in known:
            raise InputError(f"{path}: {system}.{key}: unknown key; expected one of {', '.join(known)}.{nearest(key, known)}")


def _whole(path: Path, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{path}: {key}: {value}; expected a whole number from 1")
    return value


def _check_bytes(path: Path, key: str, value: Any) -> None:
    try:
        parse_bytes(value)
    except (ValueError, TypeError):
        raise InputError(f"{path}: {key}: {value}; expected an amount such as 16GB") from None


def _port(path: Path, system: str, block: dict[str, Any]) -> int | None:
    return _whole(path, f"{system}.dashboard", block["dashboard"]) if block.get("dashboard") is not None else None
