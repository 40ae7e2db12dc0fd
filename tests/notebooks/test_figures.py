"""Contrast of the pictures that are stored in the notebooks, and of the style they are drawn in, as WCAG 2 has it.

Measured where a colour fills patches of 3 by 3 pixels: the edges of letters and lines are mixtures (antialiasing),
and hairlines such as the grid, which carry no data, are thinner.
"""

import base64
import io
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from scipy import ndimage

from movierec import plots
from tests.contrast import contrast

NOTEBOOKS = sorted(Path(__file__).resolve().parents[2].glob("notebooks/*.ipynb"))
LEAST_DRAWN = 3.0  # WCAG 2.2, 1.4.11: parts of pictures that are needed to understand them
LEAST_WRITTEN = 4.5  # WCAG 2.2, 1.4.3: text of this size
SHARE = 50  # pixels within such patches, of some 400,000
MANY_COLOURS = 12  # a picture with patches of more colours is a colour map; for its numbers see `plots.text_on`
TINT = 6 / 255  # how far from the line between a colour and the background a tint of it may be


def pictures(notebook):
    """Yield (cell, alternative text, RGB `[height, width, 3]` in 0 to 255) of each picture."""
    for number, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            page = "".join(output.get("data", {}).get("text/html", ""))
            found = re.findall(r'<img alt="([^"]*)"[^>]*src="data:image/png;base64,([^"]*)"', page)
            if "image/png" in output.get("data", {}):
                found.append((output["metadata"]["image/png"]["alt"], "".join(output["data"]["image/png"])))
            for words, data in found:
                image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                yield number, words, np.asarray(Image.alpha_composite(white, image).convert("RGB"))


def patches(picture):
    """Return {(r, g, b): pixels in the middle of 3 by 3 of the same colour}, most first."""
    pixels = picture.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    same = ndimage.maximum_filter(pixels, 3) == ndimage.minimum_filter(pixels, 3)
    colours, counts = np.unique(pixels[1:-1, 1:-1][same[1:-1, 1:-1]], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {
        (c >> 16, c >> 8 & 255, c & 255): int(n)
        for c, n in zip(colours[order].tolist(), counts[order], strict=True)
        if n >= SHARE
    }


def is_tint(colour, other, background):
    """Return whether `colour` is `other` with some alpha on the background."""
    whole = np.subtract(other, background) / 255
    part = np.subtract(colour, background) / 255
    share = part @ whole / max(whole @ whole, 1e-9)
    return 0 < share < 1 and np.abs(part - share * whole).max() <= TINT


def too_pale(picture):
    """Yield (colour, contrast) of what is drawn too pale, but for tints of a drawn colour and colour maps."""
    background, *drawn = patches(picture)
    if len(drawn) >= MANY_COLOURS:
        return
    ratios = {colour: contrast(np.divide(colour, 255), np.divide(background, 255)) for colour in drawn}
    dark = [colour for colour in drawn if ratios[colour] >= LEAST_DRAWN]
    pale = [colour for colour in drawn if colour not in dark]
    tints = [colour for colour in pale if any(is_tint(colour, other, background) for other in dark)]
    for colour in pale:
        bands = ((other, under) for other in dark for under in (background, *tints))  # where two bands lie over another
        if not any(is_tint(colour, *band) for band in bands):
            yield colour, round(ratios[colour], 2)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_drawn_stands_out(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    pale = [(cell, words[:50], list(too_pale(p))) for cell, words, p in pictures(notebook)]
    assert [row for row in pale if row[2]] == []


def test_what_is_written_can_be_read():
    with plt.rc_context(plots.STYLE):
        fig, ax = plt.subplots()
        ax.plot([0, 1], label="a line")
        ax.legend()
        ax.set(title="A finding", xlabel="a quantity", ylabel="another")
        fig.canvas.draw()
        written = [text for text in fig.findobj(Text) if text.get_text()]
        assert min(contrast(text.get_color(), ax.get_facecolor()) for text in written) >= LEAST_WRITTEN
        plt.close(fig)


# ---- the measure at work


def drawn(draw):
    """Return the pixels of a figure in the course's style, as a notebook would show it."""
    with plt.rc_context(plots.STYLE):
        fig, ax = plt.subplots()
        draw(ax)
        ax.set(title="A finding", xlabel="a quantity")
        page = plots.alt(fig, "A picture")._repr_html_()
    (row,) = pictures({"cells": [{"outputs": [{"data": {"text/html": [page]}}]}]})
    return row[2]


def band(ax):
    ax.fill_between([0, 1, 2], [0, 2, 0], color="#3f90da", alpha=0.3)


@pytest.mark.parametrize(
    ("draw", "is_pale"),
    [
        (lambda ax: ax.plot([0, 3, 1], color="#92dadd"), True),
        (band, True),
        (lambda ax: [ax.plot([0, 3, 1], color="#3f90da"), band(ax)], False),  # a tint of what is drawn
        (lambda ax: ax.imshow(np.arange(25).reshape(5, 5), cmap="cividis"), False),
    ],
)
def test_pale_colours_are_found_and_dark_ones_their_tints_and_colour_maps_are_not(draw, is_pale):
    assert bool(list(too_pale(drawn(draw)))) == is_pale
