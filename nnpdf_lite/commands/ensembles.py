"""The verbs that look at finished sets and make sets of them: one thin function each."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .tables import json_rows, print_json, print_table
from .usage import UsageParser, positive_number, positive_numbers, seed

if TYPE_CHECKING:
    from ..ensembles import PDFSet
    from ..results.fit import Fit
    from ..runcard import Runcard

_SET = "fit folder, or an LHAPDF set by name or folder"


def add_ensemble_verbs(verb: Callable[..., argparse.ArgumentParser], tables: UsageParser) -> None:
    """Add the verbs with ``verb(name, function, summary, example, parents)``; ``tables`` holds their ``--json``."""
    one = UsageParser(add_help=False)
    one.add_argument("set", metavar="FIT|SET", help=_SET)
    written = UsageParser(add_help=False)
    written.add_argument("--output", metavar="DIR", required=True, help="new folder, whose name is that of the set")

    added = verb("compare", compare, "two fits or sets side by side: chi2 and PDFs", "compare mine NNPDF40", [tables])
    added.add_argument("sets", metavar="FIT|SET", nargs=2, help=_SET)
    added.add_argument("--q", type=positive_number, default=10.0, metavar="GEV", help="scale of the PDFs (default 10)")
    added = verb("next", next_card, "print the runcard of a fit's next iteration", "next dis_nnlo > second.yml")
    added.add_argument("fit", metavar="FIT", help="fit folder with its LHAPDF set")
    added.add_argument("--no-limits", action="store_true", help="do not keep alpha where PDFs are integrable")
    added.add_argument("--keep-seeds", action="store_true", help="keep the seeds of the fit")
    added = verb(
        "hessian",
        hessian,
        "make a Hessian set of replicas",
        "hessian dis_nnlo --output dis_nnlo_hessian",
        [one, written],
    )
    added.add_argument(
        "--eigenvectors", type=int, default=50, metavar="N", help="members of the Hessian set (default 50)"
    )
    added = verb(
        "compress", compress, "choose fewer replicas that say the same",
        "compress dis_nnlo --replicas 40 --output dis_nnlo_40", [one, written, tables],
    )  # fmt: skip
    added.add_argument("--replicas", type=int, default=40, metavar="N", help="replicas to keep (default 40)")
    added.add_argument("--seed", type=seed, default=1, help="of the search (default 1)")
    added = verb(
        "reweight", reweight, "what new data say about an ensemble, without a new fit",
        "reweight dis_nnlo --data new.yml --unweight 50 --output dis_nnlo_new", [one, tables],
    )  # fmt: skip
    added.add_argument(
        "--data", action="append", required=True, metavar="RUNCARD|DATASET",
        help="runcard that names the new data; with --theory, a dataset (NAME or NAME:VARIANT), and once for each",
    )  # fmt: skip
    added.add_argument("--theory", metavar="THEORY", help="theory of the datasets, such as nnlo")
    added.add_argument("--method", choices=("nnpdf", "giele-keller"), default="nnpdf", help="weights (default nnpdf)")
    added.add_argument("--unweight", type=int, metavar="N", help="write a set of N replicas of equal weight")
    added.add_argument("--output", metavar="DIR", help="with --unweight: new folder, whose name is that of the set")
    added = verb(
        "combine", combine, "put the replicas of several sets together", "combine one two --output both", [written]
    )
    added.add_argument("sets", metavar="FIT|SET", nargs="+", help=_SET)
    added.add_argument(
        "--replicas", type=positive_numbers, metavar="N,N", help="from each set (default: as many as the smallest has)"
    )
    added.add_argument("--seed", type=seed, default=1, help="of the draws (default 1)")


def compare(options: argparse.Namespace) -> None:
    """Print chi2, where there are data, and PDFs of two sets."""
    from ..ensembles.comparison import check_comparable, chi2_comparison, pdf_comparison

    first, second = (_open(what, read=False) for what in options.sets)
    check_comparable(first, second)
    pdfs = pdf_comparison(_read(first), _read(second), options.q)
    chi2, words = chi2_comparison(first, second)
    if options.json:
        names = {"set": first.name, "against": second.name, "q": options.q, "about_chi2": words}
        print(
            json.dumps(names | {"chi2": None if chi2 is None else json_rows(chi2), "pdfs": json_rows(pdfs)}, indent=1)
        )
        return
    print(f"{first.label}, against {second.label}\n\n{words}")
    if chi2 is not None:
        print_table(chi2, group="level", dispensable=("t0_against", "t0"))
    print(f"\nx f(x, Q) at Q = {options.q:g} GeV: central values, one sigma, distances (replicas only), pull")
    print_table(pdfs.assign(x=pdfs.x.map("{:g}".format)), group="flavour", dispensable=("sigma_distance", "pull"))


def next_card(options: argparse.Namespace) -> None:
    """Print the runcard of the next iteration."""
    from ..ensembles.iteration import next_runcard
    from ..results.fit import load_fit

    text = next_runcard(_open(load_fit(options.fit)), limits=not options.no_limits, new_seeds=not options.keep_seeds)
    sys.stdout.write(text)


def hessian(options: argparse.Namespace) -> None:
    """Write a Hessian set and print where it is."""
    from ..ensembles.hessian import write_hessian
    from ..results.progress import track

    _check_output(options.output)
    print(write_hessian(_open(options.set), options.output, options.eigenvectors, track=track))


def compress(options: argparse.Namespace) -> None:
    """Write a compressed set and tabulate how well it does."""
    from ..ensembles.compression import compress as search
    from ..ensembles.compression import write_selection
    from ..results.progress import track

    _check_output(options.output)
    pdf = _open(options.set)
    found = search(pdf, options.replicas, seed=options.seed, track=track)
    words = f"{options.replicas} of {pdf.label}: {' '.join(map(str, found.chosen))} (arXiv:1504.06469)"
    path = write_selection(pdf, options.output, found.chosen, words, track=track)
    print_json(found.errors) if options.json else print_table(found.errors)
    print(path, file=sys.stderr if options.json else sys.stdout)


def reweight(options: argparse.Namespace) -> None:
    """Tabulate chi2 before and after reweighting, and write the unweighted set if asked to."""
    if (options.unweight is None) != (options.output is None):
        raise InputError("reweight: --unweight N and --output DIR go together; give both or neither")
    if options.output is not None:
        _check_output(options.output)
    pdf = _open(options.set, read=False)
    card = _new_data(options, pdf)
    from ..ensembles.compression import write_selection
    from ..ensembles.reweighting import reweight_set, reweighting_table
    from ..fit.problem import build_problem
    from ..results.progress import track

    problem = build_problem(card)
    result, predictions = reweight_set(_read(pdf), problem, options.method)
    chosen = None if options.unweight is None else result.unweighted(options.unweight)
    table = reweighting_table(problem, predictions, result, [entry.dataset for entry in card.dataset_inputs])
    summary = {
        "set": pdf.name, "method": result.method, "ndata": result.n_data, "replicas": pdf.errors.n,
        "n_effective": result.n_effective, "alpha": result.alpha,
    }  # fmt: skip
    if options.json:
        replicas = {"weights": result.weights.tolist(), "chi2_of_replicas": result.chi2.tolist()}
        print(json.dumps(summary | {"chi2": json_rows(table)} | replicas, indent=1))
    else:
        print_table(table, group="level")
        print(
            f"\n{result.n_effective:.1f} effective of {pdf.label}, {result.method} weights, {result.n_data} points; "
            f"errors of the new data fit best when multiplied by {result.alpha:.2f}"
        )
    if chosen is not None:
        if len(chosen) > result.n_effective:
            print(f"warning: {len(chosen)} replicas hold no more than {result.n_effective:.1f} do", file=sys.stderr)
        data = ", ".join(dataset.name for dataset in problem.datasets)
        words = f"{len(chosen)} replicas of {pdf.name} after reweighting ({result.method}) with {data}"
        path = write_selection(pdf, options.output, chosen, words, track=track)
        print(path, file=sys.stderr if options.json else sys.stdout)


def combine(options: argparse.Namespace) -> None:
    """Write a combined set and print where it is."""
    from ..ensembles.set_combination import write_combination
    from ..results.progress import track

    _check_output(options.output)
    sets = [_open(what, read=False) for what in options.sets]
    print(write_combination(sets, options.output, options.replicas, seed=options.seed, track=track))


def _open(what: "str | Fit", read: bool = True) -> "PDFSet":
    from ..ensembles import load_set

    pdf = load_set(what)
    return _read(pdf) if read else pdf


def _read(pdf: "PDFSet") -> "PDFSet":
    from ..results.progress import track

    return pdf.read(track)


def _check_output(path: str) -> None:
    """Refuse a name that is taken before any work is done."""
    from ..pdf.lhapdf_format import check_free

    check_free(path)


def _new_data(options: argparse.Namespace, pdf: "PDFSet") -> "Runcard":
    """Return the runcard of the new data, or make one from dataset names; say which data the fit had already."""
    from ..runcard import load_runcard, parse_runcard

    if options.theory is not None:
        split = [name.partition(":")[::2] for name in options.data]
        entries = [{"dataset": name} | ({"variant": variant} if variant else {}) for name, variant in split]
        cuts = {"t0pdfset": str(pdf.lhapdf.path)}
        theory = {"theoryid": options.theory}
        card = parse_runcard({"dataset_inputs": entries, "datacuts": cuts, "theory": theory}, "--data, --theory")
    elif len(options.data) == 1:
        try:
            card = load_runcard(options.data[0])
        except InputError as error:
            raise InputError(f"--data: {error} To name datasets instead of a runcard, add --theory.") from None
    else:
        raise InputError(f"reweight: {len(options.data)} runcards given with --data; to name datasets, add --theory")
    if pdf.fit is not None:
        had = {entry.dataset for entry in pdf.fit.runcard.dataset_inputs}
        again = [entry.dataset for entry in card.dataset_inputs if entry.dataset in had]
        if again:
            where = Path(pdf.fit.folder.path).name
            print(f"warning: {where} was fitted to these already: {', '.join(again)}", file=sys.stderr)
    return card
