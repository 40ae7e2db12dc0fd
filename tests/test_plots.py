"""Figures show what their tables say, in a style that can be read; read back from their axes, not from pixels."""

import io
import re
import struct

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from movierec import plots
from tests.contrast import contrast

matplotlib.use("agg")
import matplotlib.pyplot as plt

RATINGS = pd.DataFrame({"user_id": [1, 1, 1, 2, 2, 3], "movie_id": [7, 8, 9, 7, 8, 7], "rating": [4.0, 4, 5, 1, 4, 4]})
HISTORY = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.0], "validation_loss": [3.0, 2.5, 2.7]})
HISTORY["validation_ndcg@10"] = [0.1, 0.2, 0.3]
MODELS = pd.DataFrame({"model": ["popularity", "our Hybrid", "item-kNN"], "mean": [0.1, 0.2, 0.15]})
MODELS = MODELS.assign(low=[0.09, 0.18, 0.13], high=[0.12, 0.22, 0.17])


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def test_the_style_fits_an_ieee_column_with_truetype_fonts_and_a_second_cue():
    fig, ax = plt.subplots()
    lines = [ax.plot([0, 1])[0] for _ in range(10)]
    assert matplotlib.rcParams["pdf.fonttype"] == 42 and fig.get_constrained_layout()
    assert len({line.get_color() for line in lines}) == len(plots.COLOURS) == 6
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 10  # the dashes differ as well
    buffer = io.BytesIO()
    fig.savefig(buffer, format="pdf")
    assert b"/MediaBox [ 0 0 252" in buffer.getvalue()  # 3.5 in at 72 points: the width survives saving


def test_cumulative_shares_begin_at_0_end_at_100_and_the_mark_lies_on_the_curve_of_the_movies():
    ax = plots.plot_cumulative_share(RATINGS, mark=100 / 3, title="One movie has half").axes[0]
    movies, users, mark = ax.lines
    for counts in (movies, users):
        assert list(counts.get_xdata()) == pytest.approx([0, 100 / 3, 200 / 3, 100])
        assert list(counts.get_ydata()) == pytest.approx([0, 50, 500 / 6, 100])
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((100 / 3, 50))
    assert movies.get_linestyle() != users.get_linestyle()
    assert ax.get_title(loc="left") == "One movie has half"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["3 movies", "3 users"]


def test_rating_distribution_is_in_per_cent_and_bars_do_not_overlap():
    ax = plots.plot_rating_distribution(RATINGS, title="word " * 20).axes[0]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([100 / 6, 400 / 6, 100 / 6])
    assert list(ax.get_xticks()) == [1, 4, 5]
    assert ax.get_title(loc="left").count("\n") == 2  # a long title is wrapped
    half = plots.plot_rating_distribution(pd.DataFrame({"rating": [0.5, 1.0, 1.5]})).axes[0]
    assert all(bar.get_width() < 0.5 for bar in half.patches)


def test_learning_curves_mark_the_best_epoch_of_each_validation_column():
    fig = plots.plot_learning_curves(HISTORY, title="Stop early")
    loss, ndcg = fig.axes
    assert [ax.get_title(loc="left") for ax in (loss, ndcg)] == ["loss", "ndcg@10"]
    assert loss.get_title(loc="right") == "best epoch: 2"  # the lowest of 3.0, 2.5, 2.7
    assert ndcg.get_title(loc="right") == "best epoch: 3"  # the highest of .1, .2, .3
    train, validation, best = loss.lines
    assert list(best.get_xdata()) == [2, 2]
    assert (list(train.get_ydata()), list(validation.get_ydata())) == ([3.0, 2.0, 1.0], [3.0, 2.5, 2.7])
    assert train.get_marker() != validation.get_marker()
    assert fig.get_suptitle() == "Stop early"
    fig = plots.plot_learning_curves(HISTORY.assign(train_stars_loss=[3.0, 2.0, 1.0]))  # what validation has not seen
    assert [ax.get_title(loc="right") for ax in fig.axes] == ["best epoch: 2", "best epoch: 3", "", ""]
    assert not fig.axes[3].axison  # the fourth place of two by two is empty


@pytest.mark.parametrize(("metric", "best"), [("NDCG@10", "our Hybrid"), ("RMSE", "popularity")])
def test_model_comparison_has_the_best_on_top_and_ours_in_bold(metric, best):
    ax = plots.plot_model_comparison(MODELS, metric).axes[0]
    labels = ax.get_yticklabels()
    assert labels[-1].get_text() == best and metric in ax.get_xlabel()
    weights = {label.get_text(): label.get_fontweight() for label in labels}
    assert weights == {"popularity": "normal", "item-kNN": "normal", "our Hybrid": "bold"}
    ends = {}
    for container in ax.containers:
        marks, _, (bars,) = container
        for x, y, ((low, _), (high, _)) in zip(*marks.get_data(), bars.get_segments(), strict=True):
            ends[labels[int(y)].get_text()] = [low, x, high, marks.get_marker()]
    assert ends["our Hybrid"] == [pytest.approx(0.18), 0.2, pytest.approx(0.22), "D"]
    assert ends["popularity"] == [pytest.approx(0.09), 0.1, pytest.approx(0.12), "o"]


def test_what_cannot_be_drawn_is_refused():
    shares, stars, curves = plots.plot_cumulative_share, plots.plot_rating_distribution, plots.plot_learning_curves
    for plot in (shares, stars, curves, lambda table: plots.plot_model_comparison(table, "RMSE")):
        with pytest.raises(ValueError, match=r"needs the columns .* missing, found \['x'\]"):
            plot(pd.DataFrame({"x": [1]}))
        with pytest.raises(ValueError, match="at least one row; found none"):
            plot(pd.concat([RATINGS, HISTORY, MODELS])[:0])
    with pytest.raises(ValueError, match="train_ or .*val_loss.*rename"):
        curves(pd.DataFrame({"epoch": [1], "val_loss": [1.0]}))
    with pytest.raises(ValueError, match="3 of 3 rows break it, e.g. .*ends of the interval, not distances"):
        plots.plot_model_comparison(MODELS.assign(low=0.5, high=0.6), "NDCG@10")


def test_colours_stand_out_from_white_and_numbers_from_any_background():
    assert contrast("#000000") == pytest.approx(21) and contrast("#ffffff") == 1  # as the standard has it
    assert contrast("#767676") == pytest.approx(4.54, abs=0.005) and contrast("#ffa90e") < 2
    assert min(map(contrast, plots.COLOURS)) >= 3  # WCAG 2.1, 1.4.11: what is needed to understand a picture
    for grey in np.linspace(0, 1, 21):
        assert contrast(plots.text_on((grey, grey, grey)), (grey, grey, grey)) >= 4.5
    seaborn = pytest.importorskip("seaborn")
    table = pd.DataFrame(np.linspace(0, 1, 24).reshape(4, 6))
    ax = seaborn.heatmap(table, annot=True, cmap="viridis", mask=table.to_numpy() == 0)
    plots.write_legibly(ax)
    mesh = ax.collections[0]
    for text in ax.texts:
        value = float(text.get_text())
        assert contrast(text.get_color(), mesh.cmap(mesh.norm(value))[:3]) >= 4.4  # the value as it is rounded
    assert {text.get_color() for text in ax.texts} == {"black", "white"} and len(ax.texts) == 23


def test_a_picture_has_its_alt_text_in_html_a_byte_for_a_pixel_and_the_colours_of_the_figure():
    fig, ax = plt.subplots()
    for number, colour in enumerate(plots.COLOURS):
        ax.axvspan(number, number + 1, color=colour)
    picture = plots.alt(fig, 'Most ratings are\n   "4" & up.')
    assert not plt.fignum_exists(fig.number)
    data, _ = pytest.importorskip("IPython.core.formatters").DisplayFormatter().format(picture)
    assert data["text/plain"] == 'Figure: Most ratings are "4" & up.'  # no address, so that nbval can compare it
    assert 'alt="Most ratings are &quot;4&quot; &amp; up." width="420"' in data["text/html"]
    assert re.fullmatch(r'<img [^>]*src="data:image/png;base64,[A-Za-z0-9+/=]+">', data["text/html"])
    image = Image.open(io.BytesIO(picture.png))
    assert image.mode == "P" and image.size == (840, 528)  # 3.5 x 2.2 in at 240 dots an inch
    found = {colour for _, colour in image.convert("RGB").getcolors()}
    wanted = [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in plots.COLOURS]
    assert all(min(max(abs(a - b) for a, b in zip(one, other, strict=True)) for other in found) <= 2 for one in wanted)
    with pytest.raises(ValueError, match="alt text must say what the figure shows"):
        plots.alt(plt.figure(), " ")


def test_a_shown_figure_is_a_png_with_its_caption_below_and_waits_for_the_report_under_its_name(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *objects, **more: shown.append((*objects, more)))
    monkeypatch.setattr(plots, "SHOWN", {})
    fig = plots.plot_rating_distribution(RATINGS)
    assert plots.show(fig, "Most ratings\n are 4.", "stars") is None and not plt.fignum_exists(fig.number)
    (picture, options), (caption, _) = shown
    assert options == {"raw": True, "metadata": {"image/png": {"alt": "Most ratings are 4.", "width": 700}}}
    assert struct.unpack(">II", picture["image/png"][16:24]) == (1400, 880)  # 3.5 x 2.2 in at 400 dots an inch
    assert (picture["text/plain"], caption.data) == ("Figure: Most ratings are 4.", "*Most ratings are 4.*")
    assert {"stars": (fig, "Most ratings are 4.")} == plots.SHOWN
