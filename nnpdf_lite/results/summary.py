"""The summary of a fit, as files in its folder: a table of chi2, a picture, and a page that holds both."""

from pathlib import Path

import pandas as pd

from .figures import pdf_overview, save, training_curves
from .fit import Fit


def write_summary(fit: Fit) -> list[Path]:
    """Write ``chi2.csv``, ``pdfs.png``, ``training.png`` and ``summary.md`` into the fit folder.

    Returns the paths of the table, of the first picture and of the page.
    """
    folder = fit.folder.path
    chi2 = fit.chi2()
    table, picture, page = folder / "chi2.csv", folder / "pdfs.png", folder / "summary.md"
    chi2.to_csv(table, index=False)
    save(pdf_overview(fit.lhapdf_set), picture)
    save(training_curves(fit.all_replicas.records), folder / "training.png")
    page.write_text(_page(fit, chi2))
    return [table, picture, page]


def _page(fit: Fit, chi2: pd.DataFrame) -> str:
    replicas = fit.replicas()
    dropped = [f"{r.veto} ({r.failed})" for r in fit.selection.table().itertuples() if r.failed]
    lines = [
        f"# {fit.folder.name}",
        "",
        fit.runcard.description,
        "",
        f"{int(replicas.kept.sum())} replicas kept of {len(replicas)}"
        + (f"; dropped for {', '.join(dropped)}." if dropped else "."),
        (f"Median training chi2/N {replicas.training.median():.3f}, validation {replicas.validation.median():.3f}, "
        f"to the central data {replicas.chi2.median():.3f} (t0 covariance); median best epoch "
        f"{replicas.best_epoch.median():.0f}."),
        "",
        "![PDFs](pdfs.png)",
        "",
        "![Training and validation chi2](training.png)",
        "",
        "chi2 per point of the mean of the kept replicas, with all correlations inside each row:",
        "",
        "| | | N | t0 | experimental |",
        "|---|---|---:|---:|---:|",
    ]
    for row in chi2.itertuples():
        t0 = "-" if pd.isna(row.chi2_t0) else f"{row.chi2_t0:.3f}"
        lines.append(f"| {row.level} | {row.name} | {row.ndata} | {t0} | {row.chi2_exp:.3f} |")
    return "\n".join(lines) + "\n"
