"""NNPDF's programs in an environment of their own, with folders of their own."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

VERSION = "4.1.5"
T0 = "NNPDFLITE_dis_nnlo"
THEORY = 708
CARD = Path(__file__).with_name("card.yml")


class Peer:
    """NNPDF's programs, with folders of their own."""

    def __init__(self, environment: Path, folder: Path):
        self.programs, self.folder = environment / "bin", folder
        for name in ("theories", "results", "pdfs"):
            (folder / name).mkdir(parents=True)
        profile = folder / "nnprofile.yaml"
        profile.write_text(yaml.safe_dump({"nnpdf_share": str(folder)}))
        ours = ("PYTHON", "NNPDF_LITE")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)} | {
            "NNPDF_PROFILE_PATH": str(profile),
            "LHAPDF_DATA_PATH": str(folder / "pdfs"),
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MPLBACKEND": "agg",
        }

    def run(self, *command: object, cwd: Path | None = None) -> str:
        """Run a program to its end; what it printed is the message where it fails."""
        done = subprocess.run(
            [str(self.programs / str(command[0])), *map(str, command[1:])],
            check=False,
            cwd=cwd or self.folder / "results",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}"
        return done.stdout


def copy_as_replicas(source: Path, target: Path) -> None:
    """Copy a set of a central member only as one of a replica: validphys takes no sets whose errors are unknown."""
    folder = shutil.copytree(source, target / source.name)
    info = folder / f"{source.name}.info"
    text = info.read_text()
    info.write_text(text.replace("ErrorType: unknown", "ErrorType: replicas").replace("NumMembers: 1", "NumMembers: 2"))
    shutil.copy(folder / f"{source.name}_0000.dat", folder / f"{source.name}_0001.dat")
