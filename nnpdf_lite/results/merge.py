"""Merging fit folders: replicas fitted in several places become one fit."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .fit_folder import FitFolder, check_folder, create_folder, first_difference, open_folder


def merge_folders(sources: Sequence[Path], output: Path) -> FitFolder:
    """Copy the replicas of fits of one runcard into the folder ``output``, which may be one of them or new.

    A replica is a function of runcard and number, so the result is what one run would have given. Replicas that
    ``output`` has already are left as they are.

    Raises
    ------
    InputError
        If a source is no fit, the runcards differ, or a replica number is in two sources with another result.
    """
    folders = [open_folder(Path(source)) for source in sources]
    card = folders[0].runcard()
    for folder in folders[1:]:
        difference = first_difference(card, folder.runcard())
        if difference:
            raise InputError(f"{folder.path}: made with another runcard than {folders[0].path} ({difference})")
    check_folder(output, card)
    owners: dict[int, FitFolder] = {}
    for folder in folders:
        for replica in folder.finished():
            owner = owners.setdefault(replica, folder)
            if owner is not folder and _grid(owner, replica) != _grid(folder, replica):
                raise InputError(
                    f"replica {replica} of {owner.path} and of {folder.path} differ; remove one of them, or fit it again"
                )
    merged = create_folder(output, card)
    for replica in sorted(set(owners) - set(merged.finished())):
        _copy(owners[replica], merged, replica)
    return merged


def _grid(folder: FitFolder, replica: int) -> str:
    return (folder.replica_path(replica) / f"{folder.name}.exportgrid").read_text()


def _copy(source: FitFolder, target: FitFolder, replica: int) -> None:
    """Copy one replica under a temporary name, its files renamed after the new fit, and then to its place."""
    final = target.replica_path(replica)
    temporary = final.with_name(f".{final.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source.replica_path(replica), temporary)
        for file in temporary.glob(f"{source.name}.*"):
            file.rename(temporary / file.name.replace(source.name, target.name, 1))
        temporary.rename(final)
    except OSError as error:
        raise InputError(f"{final}: replica cannot be written ({error.strerror or error})") from None
