"""The look of figures: colours, fonts, and files that suit light and dark pages."""

import io
import re
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Okabe and Ito's palette without black and yellow: distinguishable with any colour vision (jfly.uni-koeln.de/color).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Of axes and text, and of grids and reference lines.
INK, FAINT = "#20262e", "#c9ced6"
#: What a colour becomes where the reader's colours are dark.
DARK = {INK: "#e4e7ec", FAINT: "#454c57", "#0072b2": "#4aa8e8", "#d55e00": "#f0803c", "#009e73": "#2fc79b"}
PARAMETERS = {
    "font.size": 11, "axes.titlesize": 11, "legend.fontsize": 9.5, "legend.frameon": False, "legend.handlelength": 1.4,
    "lines.linewidth": 1.4, "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "grid.color": FAINT,
    "grid.linewidth": 0.6, "axes.prop_cycle": matplotlib.cycler(color=PALETTE), "axes.axisbelow": True,
    "svg.hashsalt": "nnpdf_lite", "svg.fonttype": "path", "path.simplify": True, "image.composite_image": True,
}  # fmt: skip
DPI = 150
FORMATS = ("svg", "png", "pdf")


def new_axes(size: tuple[float, float] = (5.2, 3.7)) -> Axes:
    """Return empty axes in the report's style, on a figure of ``size`` inches."""
    with matplotlib.rc_context(PARAMETERS):
        return Figure(figsize=size, layout="constrained").subplots()


def drawn(draw, data, options, size: tuple[float, float]) -> Figure:
    """Draw ``draw(data, ax, **options)`` in the report's style; returns the figure, laid out."""
    with matplotlib.rc_context(PARAMETERS):
        axes = new_axes(size)
        draw(data, axes, **options)
        figure = axes.figure
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, not again for every format
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's suffix: transparent SVG that turns dark with its reader, or opaque."""
    with matplotlib.rc_context(PARAMETERS):
        if path.suffix == ".svg":
            path.write_text(_svg(figure))
        elif path.suffix == ".png":
            _png(figure, path)
        else:
            figure.savefig(path)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, dpi=DPI, metadata={"Date": None})
    text = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\.\d\d)\d+", r"\1", d[0]), buffer.getvalue())
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    return text.replace("<defs>", f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n <defs>", 1)


def _png(figure: Figure, path: Path) -> None:
    """Write a PNG of at most 128 colours, a third of the size of one of all colours."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    image = Image.open(buffer).convert("RGB")
    image.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
