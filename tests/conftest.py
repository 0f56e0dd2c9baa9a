"""A small real problem, and a tiny finished fit of it, shared by the tests."""

import copy
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# One thread, as the workers of a fit: threads waiting for each other cost more than they compute.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(threads, "1")

import pytest
from toy_cards import CLOSURE, SMALL_CARD


@pytest.fixture
def small_card():
    """A runcard (mapping, the caller's to change) of a fit that takes seconds."""
    return copy.deepcopy(SMALL_CARD)


@pytest.fixture(scope="session")
def small_problem():
    """The ``Problem`` of ``small_card``."""
    from nnpdf_lite.fit.problem import build_problem
    from nnpdf_lite.runcard import parse_runcard

    return build_problem(parse_runcard(copy.deepcopy(SMALL_CARD)))


@pytest.fixture(scope="session")
def tiny_fit(tmp_path_factory):
    """Folder of a finished fit of ``small_card``, 3 replicas, all kept by postfit; not to be changed."""
    import nnpdf_lite

    folder = tmp_path_factory.mktemp("fits") / "tiny"
    nnpdf_lite.fit(copy.deepcopy(SMALL_CARD), output=folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def written_tiny_fit(tiny_fit, tmp_path_factory):
    """Folder of the same fit with its LHAPDF set; not to be changed."""
    import shutil

    import nnpdf_lite

    folder = shutil.copytree(tiny_fit, tmp_path_factory.mktemp("written") / "tiny", symlinks=True)
    done = nnpdf_lite.load_fit(folder)
    done.postfit()
    done.to_lhapdf()
    return folder


@pytest.fixture(scope="session")
def my_fit(written_tiny_fit, tmp_path_factory):
    """The same fit under the name that the documentation gives it; not to be changed."""
    import shutil

    folder = shutil.copytree(written_tiny_fit, tmp_path_factory.mktemp("named") / "my_fit", symlinks=True)
    for path in sorted(folder.rglob("tiny*"), reverse=True):  # files before their folders
        path.rename(path.with_name(path.name.replace("tiny", "my_fit", 1)))
    return folder


@pytest.fixture(scope="session")
def tiny_report(written_tiny_fit, tmp_path_factory):
    """Folder of the report of ``written_tiny_fit`` against the set its t0 comes from, which has one member."""
    from nnpdf_lite.report.build import write_report

    return write_report(written_tiny_fit, ["NNPDFLITE_dis_nnlo"], tmp_path_factory.mktemp("report") / "tiny").parent


@pytest.fixture
def closure_card(small_card):
    """A runcard (mapping, the caller's to change) of a closure test that takes seconds."""
    return small_card | {"closuretest": dict(CLOSURE)}


@pytest.fixture(scope="session")
def tiny_closure(tmp_path_factory):
    """Folder of a finished multi-fit test of ``closure_card``, 5 fits of 6 replicas; not to be changed."""
    from nnpdf_lite.closure.multifit import run_closure
    from nnpdf_lite.runcard import parse_runcard

    card = copy.deepcopy(SMALL_CARD) | {"closuretest": dict(CLOSURE)}
    return run_closure(parse_runcard(card), tmp_path_factory.mktemp("closure") / "tiny", 5, 6).path


@pytest.fixture(scope="session")
def write_test(tmp_path_factory):
    """Write the folder of a multi-fit test whose errors are right, or wrong by ``width``; see ``toy_closure``."""
    from toy_closure import write_closure_test

    from nnpdf_lite.runcard import parse_runcard

    def write(fits=12, replicas=20, width=1.0, seed=0, **change):
        card = copy.deepcopy(SMALL_CARD) | {"closuretest": dict(CLOSURE)} | change
        return write_closure_test(tmp_path_factory.mktemp("test") / "made", parse_runcard(card), fits, replicas, width, seed)

    return write


@pytest.fixture(scope="session")
def made(write_test):
    """Folder of a test of 12 fits of 20 replicas, whose errors are right; not to be changed."""
    return write_test()


@pytest.fixture(scope="session")
def sample(made):
    """The arrays of ``made``."""
    from nnpdf_lite.closure.sample import load_sample

    return load_sample([made])


@pytest.fixture(scope="session")
def results(sample):
    """Its estimators."""
    from nnpdf_lite.closure.results import evaluate

    return evaluate(sample, samples=50)


@pytest.fixture
def call(capsys):
    """Run a command line; returns exit code, standard output and standard error."""
    from nnpdf_lite import cli

    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run
