"""Claims about the package: what is installed, what it needs, what imports what."""

import ast
import configparser
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import nnpdf_lite
from nnpdf_lite.paths import KINDS

ROOT = Path(__file__).parents[1]
PACKAGE = Path(nnpdf_lite.__file__).parent
#: Subpackages in the order of the design: each imports only those before it.
ORDER = (
    *("runcard", "data", "theory", "evolution", "theory_build", "measurements", "pdf", "cluster"),
    *("fit", "results", "ensembles", "closure", "impact", "hyperopt", "report", "commands"),
)
#: What every part may import. All other modules beside the subpackages are the interface, which comes last.
GROUND = ("errors", "paths", "flavours")
#: Distributions whose modules go by another name.
DISTRIBUTIONS = {"yaml": "pyyaml", "neopdf": "neopdf-hep", "nnpdf_data": "nnpdf-data", "pydantic_core": "pydantic", "PIL": "pillow", "dask_jobqueue": "dask-jobqueue"}
HEAVY = ("tensorflow", "keras", "numpy", "scipy", "pandas", "matplotlib", "pydantic", "pineappl", "hoppet", "neopdf")


def requirements(*extras):
    """Names of the distributions that setup.cfg asks for, in lower case."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split()
    for extra in extras:
        lines += config["options.extras_require"][extra].split()
    return {re.match(r"[\w-]+", line)[0].lower() for line in lines}


def sources():
    """Yield each module of the package: its parts below nnpdf_lite, and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").parts, ast.parse(path.read_text())


def imported(module, tree):
    """Yield what a module imports by full name; names taken from a package count as modules where they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ("nnpdf_lite", *module)[: -node.level] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


def third_party():
    """Map each distribution the package imports to the modules that do."""
    users = {}
    for module, tree in sources():
        for name in imported(module, tree):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top != "nnpdf_lite":
                users.setdefault(DISTRIBUTIONS.get(top, top), set()).add("/".join(module))
    return users


def rank(parts):
    """Place of a module, given by its parts below nnpdf_lite, in the order of imports."""
    first = parts[0] if parts else "__init__"
    if first in GROUND:
        return -1
    return ORDER.index(first) if (PACKAGE / first).is_dir() else len(ORDER)


def modules_after(statement):
    """Names of the heavy modules that a fresh Python has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint('LOADED', *(m for m in {HEAVY} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split("LOADED")[1].split())


def test_every_import_is_a_declared_dependency():
    undeclared = {name: users for name, users in third_party().items() if name not in requirements("data", "theory")}
    assert not undeclared


def test_every_dependency_is_imported():
    assert requirements() <= set(third_party())


def test_every_dependency_has_its_reason():
    reasons = (ROOT / "docs" / "dependencies.md").read_text().lower()
    missing = [name for name in requirements("data", "theory", "test", "lint", "docs") if f"| `{name}` |" not in reasons]
    assert not missing


def test_every_subpackage_has_its_place_in_the_order():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ORDER)


def test_each_part_imports_only_parts_before_it():
    backwards = [
        f"{'/'.join(module)} imports {name}"
        for module, tree in sources()
        for name in imported(module, tree)
        if name.split(".")[0] == "nnpdf_lite" and rank(tuple(name.split(".")[1:])) > rank(module)
    ]
    assert not backwards


def test_only_models_and_training_import_tensorflow():
    users = third_party()
    assert {user.split("/")[0] for user in users["tensorflow"] | users["keras"]} == {"pdf", "fit"}


def test_help_loads_nothing_heavy():
    assert modules_after("from nnpdf_lite.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass") == set()


def test_reading_a_runcard_loads_pydantic_alone():
    assert modules_after("from nnpdf_lite.runcard import load_runcard; load_runcard('dis_nnlo')") == {"pydantic"}


def test_results_are_read_without_tensorflow():
    assert not modules_after("import nnpdf_lite.results.fit, nnpdf_lite.results.run") & {"tensorflow", "keras"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source distribution of a copy of this checkout."""
    if not importlib.util.find_spec("setuptools.command.bdist_wheel"):
        pytest.skip("setuptools, at least 70.1, is not installed")
    if not (ROOT / "setup.py").is_file():
        pytest.skip("not a checkout")
    work = tmp_path_factory.mktemp("build")
    copy = work / "checkout"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "fits", "*.egg-info")
    shutil.copytree(ROOT, copy, ignore=skipped)
    backend("sdist", copy, work)
    with tarfile.open(next(work.glob("*.tar.gz"))) as archive:
        archive.extractall(work / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    backend("wheel", next((work / "unpacked").iterdir()), work)
    return next(work.glob("*.whl"))


def backend(kind, folder, target):
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_wheel_holds_every_shipped_file(wheel, kind):
    with zipfile.ZipFile(wheel) as archive:
        held = {i.filename: i.file_size for i in archive.infolist() if i.filename.startswith(f"nnpdf_lite/share/{kind}/")}
    files = [path for path in (ROOT / kind).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert held == {f"nnpdf_lite/share/{path.relative_to(ROOT)}": path.stat().st_size for path in files}


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.startswith("nnpdf_lite/share/")}
    kinds = (".py", ".yaml", ".html", ".css", ".js")
    files = {f"nnpdf_lite/{p.relative_to(PACKAGE)}" for p in PACKAGE.rglob("*") if p.suffix in kinds}
    assert {name for name in held if ".dist-info/" not in name} == files


def test_an_installed_copy_finds_what_it_ships_from_any_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "from nnpdf_lite.fit.problem import build_problem; from nnpdf_lite.runcard import parse_runcard\n"
        "card = {'dataset_inputs': [{'dataset': 'SLAC_NC_NOTFIXED_P_EM-F2', 'variant': 'legacy_dw'}],"
        " 'theory': {'theoryid': 'nnlo'}, 'datacuts': {'t0pdfset': 'NNPDFLITE_dis_nnlo'}}\n"
        "import nnpdf_lite; print(build_problem(parse_runcard(card)).n_data, nnpdf_lite.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    points, file = run.stdout.split()
    assert points == "33" and Path(file).is_relative_to(tmp_path)
