"""NNPDF's programs, and a fit that both sides read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1]):
    sys.path.insert(0, str(folder))

from nnpdf_peer import CARD, T0, THEORY, VERSION, Peer, copy_as_replicas

from nnpdf_lite.paths import shipped
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set


@pytest.fixture(scope="session")
def peer(tmp_path_factory):
    """NNPDF's programs; they find theory 708, which is the shipped one in the official layout, and the shipped t0 set."""
    named = os.environ.get("NNPDF_LITE_PEER")
    if not named:
        pytest.skip("NNPDF_LITE_PEER does not name an environment of the nnpdf package (tests/external/README.md)")
    environment = Path(named).expanduser().absolute()
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(environment / "bin/pip"), "install", "--quiet", f"nnpdf[nolha]=={VERSION}"], check=True)
    peer = Peer(environment, tmp_path_factory.mktemp("nnpdf"))
    theory = peer.folder / "theories" / f"theory_{THEORY}"
    theory.mkdir()
    for name in ("fastkernel", "cfactor"):
        (theory / name).symlink_to(shipped("theory_grids") / "nnlo" / name)
    copy_as_replicas(load_pdf_set(T0).path, peer.folder / "pdfs")
    return peer


@pytest.fixture(scope="session")
def official(peer):
    """Environment in which nnpdf_lite finds the same theories and sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNPDF_LITE_THEORY_PATH", str(peer.folder / "theories"))
        yield


@pytest.fixture(scope="session")
def our_fit(peer, official):
    """Folder of a fit by nnpdf_lite, 6 replicas, with its LHAPDF set, among NNPDF's results and sets."""
    import nnpdf_lite

    folder = peer.folder / "results" / "lite_fit"
    fit = nnpdf_lite.fit(CARD, replicas=range(1, 7), output=folder, progress=False)
    fit.postfit()
    shutil.copytree(fit.to_lhapdf(), peer.folder / "pdfs" / "lite_fit")
    return fit
