"""The optional packages of theory building."""

import importlib.util

from ..errors import InputError


def require_extra(*packages: str) -> None:
    """Check that packages of the extra ``nnpdf_lite[theory]`` are installed, by default ``yadism``.

    Raises
    ------
    InputError
        Naming what is missing and how to install it.
    """
    missing = [package for package in packages or ("yadism",) if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(
            f"building theory tables needs {' and '.join(missing)}, which is not installed: pip install '.[theory]' in a checkout of nnpdf_lite, or pip install {' '.join(missing)}"
        )
