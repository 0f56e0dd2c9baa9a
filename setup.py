"""Puts what the project ships beside its code into the wheel, as ``nnpdf_lite/share/``; all else is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHARED = ("datasets", "theory_grids", "runcards", "pdfsets")  # nnpdf_lite.paths.KINDS


class BuildWithShare(build_py):
    """Copies the shared folders; an editable install finds them in the checkout."""

    def run(self):
        if self.editable_mode:
            return super().run()
        package = Path(self.build_lib) / "nnpdf_lite"
        shutil.rmtree(package, ignore_errors=True)  # what an earlier build left must not get into this one
        super().run()
        for kind in SHARED:
            shutil.copytree(kind, package / "share" / kind, ignore=shutil.ignore_patterns("*.py", "__pycache__", ".*"))


setup(cmdclass={"build_py": BuildWithShare})
