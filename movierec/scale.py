"""What the numbers in a column of ratings mean: the scale of the stars, or that they are no stars at all.

The models know one scale, of which the top is 5 stars; `Scale` maps every other one there and back. A table whose
ratings are all equal says who watched what, and not how they liked it: see `has_stars`.
"""

import contextlib
from typing import NamedTuple

import numpy as np
import pandas as pd

MOST_OFF = 0.01  # the share of ratings that may be off the scale; they are left out and counted, more are refused
SHORT_TOPS = (2, 3, 4, 6, 7)  # of scales such as 1 to 3 or 1 to 7, if each whole number to the top is there
TOPS = (10, 20, 50, 100)
TOPS_WITH_DISLIKES = (1, 2, 3, 5, 10, 20, 50, 100)  # of -1 to 1, …, -10 to 10
REACHED = 0.9  # of the top by the largest rating with decimals: 9.3 of 10
OTHER_SIDE = 0.3  # of the top by the other end of a scale with dislikes: -5 to 10, but not -10 to 99
SUPPOSED = 0.6  # of the top of 10 or 100, which nobody need have given
NOT_RATED = (99, 999, 9999)  # and what is not above 0
WATCHED = 'leave the column out, ratings.drop(columns="rating"): each row then says that the film was watched.'


class Scale(NamedTuple):
    """The fewest and the most stars that a rating can have, in the unit of the table."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @property
    def is_identity(self) -> bool:
        """Whether the stars of the models are those of the table: 1 to 5, and half stars from .5."""
        return self in ((1, 5), (0.5, 5))

    @property
    def unit(self) -> float:
        """One star of the models in the unit of the table: 2 on the scale 1 to 10, 5 on -10 to 10."""
        return self.high / 5 if self._is_tenfold else (self.high - self.low) / 4

    @property
    def liked_from(self) -> float:
        """What 4 of 5 stars are on this scale: 8 on 1 to 10, 5 on -10 to 10, .75 on 0 to 1."""
        return float(self.outside(4.0))

    @property
    def _is_tenfold(self) -> bool:
        return self.high == 10 * self.low

    def inside(self, stars):
        """Return the stars of the models, float32: 1 + 4 (r − low) / (high − low), or 5 r / high if high is 10 low.

        Both are computed in float64 and rounded once, so that 1 to 5, 2 to 10 and -10 to 10 give the same to the bit.
        """
        return stars if self.is_identity else np.float32(self.mapped(np.asarray(stars, np.float64)))

    def mapped(self, stars):
        """Return the same in the type of `stars`, which may be a tensor."""
        if self.is_identity:
            return stars
        width = self.high - self.low
        return 5 * stars / self.high if self._is_tenfold else (4 * (stars - self.low) + width) / width

    def outside(self, stars):
        """Return stars of the models in the unit of the table; the inverse of `inside`, for NumPy and TensorFlow."""
        if self.is_identity:
            return stars
        return stars * self.unit if self._is_tenfold else stars * self.unit + (self.low - self.unit)


FIVE_STARS = Scale(1, 5)


def has_stars(ratings: pd.DataFrame) -> bool:
    """Return whether the ratings of a table differ; otherwise they say what was watched, and not how it was liked."""
    return "rating" in ratings and bool(ratings["rating"].min() < ratings["rating"].max())


def liked_from(*tables: pd.DataFrame, given: float | None = None) -> float:
    """Return from which rating on a film counts as liked; -inf, all of them, if the ratings do not differ.

    `given` is the caller's; None stands for 4 of 5 stars, or as much on the scale of the tables.
    """
    values = {value for table in tables for value in (table["rating"].min(), table["rating"].max())}
    if len(values) == 1 and (len(tables) > 1 or 1 in values):  # a part alone may have equal stars by chance
        return -np.inf
    return scale_of(*tables).liked_from if given is None else given


def scale_of(*tables: pd.DataFrame, given: tuple | None = None) -> Scale:
    """Return the scale of the ratings in tables: as given; or as `ratings.attrs["scale"]` says; or as they look.

    Raises:
        ValueError: A rating is off the scale, or no scale holds nearly all ratings.
    """
    values = np.concatenate([pd.unique(table["rating"]) for table in tables]).astype(np.float64)
    known = next((table.attrs["scale"] for table in tables if table.attrs.get("scale")), None)
    if given is None and known is not None and _holds(Scale(*known), values).all():  # else the stars were changed
        return Scale(*known)
    ratings = pd.concat([table["rating"] for table in tables])
    scale = find_scale(ratings.to_numpy(np.float64)) if given is None else checked_scale(given)
    if not _holds(scale, values).all():
        on_scale(ratings, scale, most_off=0)
    return scale


def checked_scale(given) -> Scale:
    """Return `given` as a `Scale`; raise ValueError unless it is two finite numbers, the smaller first."""
    with contextlib.suppress(TypeError, ValueError):
        low, high = map(float, given)
        if -np.inf < low < high < np.inf:
            return Scale(low, high)
    must = "`scale` must be the fewest and the most stars, two numbers in order"
    raise ValueError(f"{must}; got {given!r}. Try scale=(0, 10).")


def on_scale(rating: pd.Series, scale: Scale, most_off: float = MOST_OFF) -> np.ndarray:
    """Return whether each rating is on the scale, bool `[N]`; ValueError if more than the share `most_off` are not."""
    values = rating.to_numpy(np.float64, na_value=np.nan)
    is_on, there = _holds(scale, values), values[np.isfinite(values)]
    off = there[~_holds(scale, there)]
    if len(off) > most_off * len(there):
        found = f"{len(off):,} of {len(values):,} are not, e.g. {np.unique(off)[:3].tolist()}"
        left = f"ratings[ratings.rating.between({scale.low:g}, {scale.high:g})]"
        other = f"or name another scale, e.g. scale=({there.min():g}, {there.max():g})"
        raise ValueError(f"every rating must be on the scale {scale}; {found}. Leave them out: {left}; {other}.")
    return is_on


def find_scale(rating: np.ndarray) -> Scale:
    """Return the scale on which ratings float64 `[N]` are, apart from at most `MOST_OFF` of them.

    Known are 1 to 5, with halves or other decimals from .5; 0 or 1 to each of `SHORT_TOPS`; 0 to 1, 5, 10, 20, 50, 100,
    and a tenth of the last four as the least (1 to 10, 10 to 100); the same below and above 0 (-10 to 10); and five
    levels in equal steps, such as 1, 3, 5, 7, 9. Whole numbers that are small as a rule and rarely large are counts.

    Raises:
        ValueError: They are on no such scale, or look like counts; it says how to go on in either case.
    """
    rating = rating[np.isfinite(rating)]
    levels, count = np.unique(np.round(rating, 5), return_counts=True)
    total = count.sum()
    if levels[0] < 0 and count[levels < 0].sum() <= MOST_OFF * total:
        levels, count = levels[levels >= 0], count[levels >= 0]
    most = levels[-1]
    while len(levels) and total - count.sum() <= MOST_OFF * total:
        scale = _holding(levels, count, total)
        if scale and (scale.high <= 5 or count[levels > (scale.low + scale.high) / 2].sum() > MOST_OFF * total):
            if _is_count(rating, levels, scale, most):
                break
            return scale
        levels, count = levels[:-1], count[:-1]
    low, high = rating.min(), rating.max()
    _refuse_stray(rating, low, high)
    found = f"{len(np.unique(rating)):,} different numbers from {low:g} to {high:g}, half of them at most "
    ways = f"If all are stars, name their scale: scale=({low:g}, {high:g}). If they count, such as plays, {WATCHED}"
    must = "the ratings must be stars on a scale such as 1 to 5 or 0 to 100"
    raise ValueError(f"{must}; found {found}{np.median(rating):g}. {ways}")


def _is_count(rating: np.ndarray, levels: np.ndarray, scale: Scale, most: float) -> bool:
    median = np.median(rating)
    is_count = (scale.high > 5 or most > scale.high) and median <= scale.high / 4
    is_whole = (levels % 1 == 0).all() and levels[0] >= 0
    return bool(is_whole and (is_count or (median == 0 and len(levels) > 3)))


def _refuse_stray(rating: np.ndarray, low: float, high: float) -> None:
    """Raise ValueError if all are on one scale but for one number, such as -1, 0 or 99, which is no rating."""
    for stray in (low, high):
        others = rating[rating != stray]
        levels, count = np.unique(np.round(others, 5), return_counts=True)
        if not len(levels) or (stray > 0 and stray not in NOT_RATED):
            continue
        scale = _holding(levels, count, len(others))
        if scale and not _is_count(others, levels, scale, levels[-1]):
            raise ValueError(
                f"the ratings must be stars on one scale; {len(rating) - len(others):,} of {len(rating):,} are "
                f"{stray:g}, and the others are on the scale {scale}. If {stray:g} says that a film was not rated, "
                f"leave these rows out: ratings[ratings.rating != {stray:g}]. If it is a rating, name the scale: "
                f"scale=({low:g}, {high:g}). To learn from what was watched, {WATCHED}"
            )


def _holding(levels: np.ndarray, count: np.ndarray, total: int) -> Scale | None:
    """Return the scale that has all of these levels, ascending `[K]`; None if no known one has."""
    low, high = float(levels[0]), float(levels[-1])
    is_whole = bool((levels % 1 == 0).all())
    is_even = len(levels) == 5 or (len(levels) == 10 and np.isclose(high, 10 * low))  # five stars, or halves,
    is_even = is_even and bool(np.ptp(np.diff(levels)) < 1e-6 * (high - low))  # in equal steps
    if low < 0:
        most = max(-low, high)
        top = next((top for top in TOPS_WITH_DISLIKES if _reaches(most, top, is_whole)), None)
        if top and min(-low, high) >= OTHER_SIDE * top:
            return Scale(-top, top)
        return Scale(low, high) if is_even else None
    is_every = is_whole and low <= 1 and len(levels) == high - low + 1
    if is_every and high in SHORT_TOPS and count[-1] > MOST_OFF * total:
        return Scale(low, high)
    on_halves = (levels % 0.5 == 0).all()
    if low >= 0.5 and high <= 5 and (high > 1 or on_halves):
        return Scale(1, 5) if is_whole else Scale(0.5, 5)
    if high <= 1:
        return Scale(low, high) if is_even else Scale(0, 1)
    if is_even and high not in TOPS and (high > 10 or levels[1] - low != 1):
        return Scale(low, high)
    if high <= 5:
        return Scale(0, 5)
    top = next((top for top in TOPS if _reaches(high, top, is_whole)), None)
    top = top or next((top for top in (10, 100) if SUPPOSED * top <= high <= top), None)
    return Scale(0 if low < top / 10 else top / 10, top) if top else None


def _reaches(most: float, top: float, is_whole: bool) -> bool:
    return most == top or (not is_whole and REACHED * top <= most <= top)


def _holds(scale: Scale, values: np.ndarray) -> np.ndarray:
    margin = 1e-6 * (scale.high - scale.low)  # .1 in float32 is a little more
    return (values >= scale.low - margin) & (values <= scale.high + margin)
