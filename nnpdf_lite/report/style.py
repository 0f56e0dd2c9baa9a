"""The look of figures: colours, fonts, and files that suit light and dark pages."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import LogFormatter
from matplotlib.transforms import Bbox
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

#: Okabe and Ito's palette without black and yellow: distinguishable with any colour vision (jfly.uni-koeln.de/color).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Of axes and text, and of grids and reference lines.
INK, FAINT = "#20262e", "#c9ced6"
#: What a colour becomes where the reader's colours are dark.
DARK = {INK: "#e4e7ec", FAINT: "#454c57", "#0072b2": "#4aa8e8", "#d55e00": "#f0803c", "#009e73": "#2fc79b"}
PARAMETERS: "dict[RcKeyType, Any]" = {
    "font.size": 11, "axes.titlesize": 11, "legend.fontsize": 9.5, "legend.frameon": False, "legend.handlelength": 1.4,
    "lines.linewidth": 1.4, "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "grid.color": FAINT,
    "grid.linewidth": 0.6, "axes.prop_cycle": cycler(color=PALETTE), "axes.axisbelow": True,
    "figure.facecolor": "none", "axes.facecolor": "none", "svg.hashsalt": "nnpdf_lite", "path.simplify": True, "image.composite_image": True,
}  # fmt: skip
#: Dots per inch of PNG files, and of what is rasterised inside SVG files.
DPI, RASTER_DPI = 132, 110
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
FORMATS = ("svg", "png", "pdf")


#: What makes an SVG file a third smaller: tenths of a point in paths and hundredths elsewhere, no names that nothing
#: refers to, fonts named once, no space that a reader does not need.
_SHORTER = (
    (
        re.compile(r' d="[^"]*"'),
        lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]).replace(" \n", "").replace("L ", "L"),
    ),
    (re.compile(r'(translate\(|[xy]=")[^)"]*'), lambda numbers: re.sub(r"(\.\d\d)\d+", r"\1", numbers[0])),
    (re.compile(r'<g id="[^"]*">'), "<g>"),
    (re.compile(r"<!--.*?-->"), ""),
    (re.compile(r' transform="rotate\(-0 [^"]*"'), ""),
    (re.compile(r"font-family: 'DejaVu Sans'[^;\"]*;? ?"), ""),
    (re.compile(r"\n\s*"), "\n"),
)
#: Verdana has the widths of DejaVu Sans, which it descends from.
_FONTS = "text{font-family:'DejaVu Sans',Verdana,sans-serif}"


def new_axes(size: tuple[float, float] = (5.2, 3.7)) -> Axes:
    """Return empty axes in the report's style, on a figure of ``size`` inches."""
    with matplotlib.rc_context(PARAMETERS):
        return FigureCanvasAgg(Figure(figsize=size, dpi=DPI)).figure.subplots()


def drawn(draw: Callable[..., Axes], data: Any, options: Mapping[str, Any], size: tuple[float, float]) -> Figure:
    """Draw ``draw(data, ax, **options)`` in the report's style; returns the figure, laid out."""
    with matplotlib.rc_context(PARAMETERS):
        figure = draw(data, new_axes(size), **options).figure
        assert isinstance(figure, Figure)  # of `new_axes`
        for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) if axis.get_scale() == "log"):
            low, high = sorted(axis.get_view_interval())
            if high > 20 * low:
                axis.set_major_formatter(_power_of_ten)
            else:
                axis.set_major_formatter(_plain_number)
                axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.4)))
        _fit_into(figure)
    return figure


def _fit_into(figure: Figure, pad: float = 0.05) -> None:
    """Give labels, legends and titles the room they need at each side, ``pad`` inches from the edge.

    Once, which is exact but for ticks that come or go, and several times faster than matplotlib's layout engines.
    """
    assert isinstance(figure.canvas, FigureCanvasAgg)  # of `new_axes`
    renderer = figure.canvas.get_renderer()
    boxes = [box for axes in figure.axes if (box := axes.get_tightbbox(renderer)) is not None]
    needed = Bbox.union(boxes).transformed(figure.transFigure.inverted())
    x, y = pad / figure.get_size_inches()
    now = figure.subplotpars
    figure.subplots_adjust(
        left=now.left + x - needed.x0,
        right=now.right + 1 - x - needed.x1,
        bottom=now.bottom + y - needed.y0,
        top=now.top + 1 - y - needed.y1,
    )


# Labels in plain text are set ten times faster than the formulas that matplotlib makes of them.


def _power_of_ten(value: float, _position: float) -> str:
    exponent = round(float(np.log10(value)))
    return {0: "1", 1: "10", -1: "0.1"}.get(exponent, f"10{superscript(exponent)}")


def _plain_number(value: float, _position: float) -> str:
    return f"{value:g}"


def superscript(number: int) -> str:
    """Return an integer in raised digits."""
    return str(number).translate(_SUPERSCRIPTS)


def save(figure: Figure, path: Path, *, text: str = "path") -> None:
    """Write a figure in the format of the path's suffix: transparent SVG that turns dark with its reader, or opaque.

    ``text``: in SVG, ``path`` for outlines that look alike everywhere, ``none`` for text in the reader's own fonts, in
    half the space.
    """
    with matplotlib.rc_context({**PARAMETERS, "svg.fonttype": text}):
        if path.suffix == ".svg":
            path.write_text(_svg(figure), encoding="utf-8")
        elif path.suffix == ".png":
            _png(figure, path)
        else:
            figure.savefig(path, facecolor="white")


def _svg(figure: Figure) -> str:
    # Not by savefig, which draws every figure twice.
    buffer = io.StringIO()
    figure.set_dpi(RASTER_DPI)
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    figure.set_dpi(DPI)
    text = buffer.getvalue()
    for pattern, shorter in _SHORTER:
        text = pattern.sub(shorter, text)
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    look = f"<style>{_FONTS}@media (prefers-color-scheme:dark){{{rules}}}</style>"
    return text.replace("<defs>", f"{look}\n<defs>", 1)


def _png(figure: Figure, path: Path) -> None:
    """Write a PNG of at most 64 colours, a third of the size of one of all colours."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    paper = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(paper, image).convert("RGB")
    flat.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
