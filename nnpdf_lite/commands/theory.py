"""The verbs of ``nnpdf-lite theory``: build tables, verify and compare them, write evolution operators."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .tables import show
from .usage import UsageParser, adder_of_verbs

if TYPE_CHECKING:

    from ..theory import TheoryCard


def add_theory_verbs(theory: UsageParser, parents: list[UsageParser], tables: UsageParser) -> None:
    """Add the verbs below ``theory`` to its parser."""
    verb = adder_of_verbs(theory, parents)
    added = verb("build", build, "compute FK tables from a theory card", "build nnlo --output my_nnlo --jobs 2")
    added.add_argument("card", metavar="CARD", help="theory card (YAML), or the name of a theory that has one")
    added.add_argument("--output", metavar="DIR", help="folder of the theory; by default the card's name, here")
    added.add_argument("--sets", nargs="+", metavar="DATASET", help="only these; by default every set that is known")
    added.add_argument("--jobs", type=_processes, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    added.add_argument("--alphas", metavar="A:B:STEP", help="siblings with other alpha_s, such as 0.116:0.120:0.001")
    added.add_argument("--scales", metavar="N", help="siblings with muR and muF varied by 2: 3, 5, 7 or 9 points")
    added.add_argument("--q2min", type=_positive_number, default=3.49, metavar="GEV2", help="rows with Q2 above (default 3.49)")
    added.add_argument("--w2min", type=_positive_number, default=12.5, metavar="GEV2", help="rows with W2 above (default 12.5)")
    added = verb("check", check, "verify the output of a build", "check my_nnlo", [tables])
    added.add_argument("folder", metavar="DIR", help="folder or name of a theory")
    added = verb(
        "compare", compare, "compare predictions of two theories", "compare my_nnlo nnlo --pdf NNPDFLITE_dis_nnlo", [tables]
    )
    added.add_argument("folder", metavar="DIR", help="folder or name of a theory")
    added.add_argument("reference", metavar="OTHER", help="folder or name of the theory to compare with")
    added.add_argument("--pdf", required=True, metavar="SET[/member]", help="LHAPDF set, by name or folder")
    added = verb(
        "operator", operator, "write evolution operators in eko's format", "operator nnlo 2 10 91.2 --output evolution.tar"
    )
    added.add_argument("card", metavar="CARD", help="theory card (YAML), or the name of a theory that has one")
    added.add_argument("scales", nargs="+", type=_positive_number, metavar="Q", help="scales in GeV")
    added.add_argument("--output", required=True, metavar="FILE", help="file to write (.tar)")


def build(options: argparse.Namespace) -> None:
    """Build a theory and print where it is."""
    from ..theory_build.build import Request, build
    from ..theory_build.progress import Progress
    from ..theory_build.variations import alphas_variations, scale_variations

    card, folder = _card(options.card)
    variations = alphas_variations(options.alphas) if options.alphas else {}
    variations |= scale_variations(options.scales) if options.scales else {}
    cfactors = folder / "cfactor"
    request = Request(
        card=card,
        output=Path(options.output or Path(options.card).stem),
        datasets=options.sets,
        jobs=options.jobs,
        q2min=options.q2min,
        w2min=options.w2min,
        variations=variations,
        cfactors=cfactors if cfactors.is_dir() else None,
    )
    for path in build(request, Progress()):
        print(path)


def check(options: argparse.Namespace) -> None:
    """Tabulate the checks of a theory folder; a failed one is an error."""
    from ..theory_build.compare import check

    table = check(_folder(options.folder))
    show(table, options)
    failed = table[~table["ok"]]
    if len(failed):
        first = failed.iloc[0]
        raise InputError(f"{options.folder}: {len(failed)} of {len(table)} checks failed; {first['what']}: {first['result']}")


def compare(options: argparse.Namespace) -> None:
    """Tabulate relative differences of predictions."""
    from ..pdf.lhapdf_set import load_pdf_set
    from ..theory_build.compare import compare

    built, reference = _theory(options.folder), _theory(options.reference)
    pdf = load_pdf_set(options.pdf)
    table = compare(built.folder, reference.folder, lambda x: pdf.evolution_basis(x, built.q0))
    if not options.json:
        table = table.assign(**{name: table[name].map("{:.1e}".format) for name in ("median", "max")})
    show(table, options)


def operator(options: argparse.Namespace) -> None:
    """Write an EKO and print where it is."""
    from ..evolution.interpolation import XGrid
    from ..theory_build.atlas import field_xgrid
    from ..theory_build.card import BuildCard
    from ..theory_build.eko_format import write_eko

    card, _ = _card(options.card)
    print(write_eko(Path(options.output), BuildCard.read(card), options.scales, XGrid(field_xgrid())))


def _folder(name: str) -> Path:
    """Return a theory's folder, finished or not, or that of a theory of this name."""
    from ..theory import load_theory

    folder = Path(name).expanduser()
    return folder if folder.is_dir() else load_theory(name).folder


def _theory(name: str) -> "TheoryCard":
    """Return a theory by folder, or else by name."""
    from ..theory import load_theory

    folder = Path(name).expanduser()
    return load_theory(str(folder.resolve()) if (folder / "fastkernel").is_dir() else name)


def _card(name: str) -> tuple[dict, Path]:
    """Return a theory card and the folder it lies in."""
    path = Path(name).expanduser()
    if not path.is_file():
        from ..theory import load_theory

        theory = load_theory(name)
        return dict(theory.parameters), theory.folder
    import yaml

    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as a theory card ({' '.join(str(error).split())})") from None
    if not isinstance(card, dict):
        raise InputError(f"{path}: expected a mapping of parameters, got {type(card).__name__}")
    return card, path.parent


def _processes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of processes, 1 or more")
    return int(text)


def _positive_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': expected a positive number")
    return value
