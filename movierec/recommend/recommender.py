"""A trained model, and what it is asked: stars, lists, films like a film, reasons; and several models as one.

Taught in notebooks/06_training, 07_recommendations and 08_evaluation.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.calls import check_keywords, whole_number
from movierec.data import UNKNOWN, Indices, features, is_text
from movierec.keras2 import tf
from movierec.models import HybridModel, session_features
from movierec.recommend.people import explain, reasons, table_of_lists
from movierec.recommend.pipeline import Pipeline
from movierec.recommend.questions import movie_of, newcomer_of, rows_of, rows_of_users, user_of, users_of
from movierec.recommend.storage import packed, read_members, save_members, unpacked
from movierec.scale import FIVE_STARS

USERS_PER_BLOCK = 256  # whose lists are made at once: bounds memory at about 256 x num_movies x 20 bytes
ROWS_PER_BATCH = 8192  # rows scored at once by `predict`: bounds memory at about 8192 x num_movies x 8 bytes


class Hybrid:
    """A trained `HybridModel` with all that it needs to recommend: ids, titles, biases and what each user has seen.

    Attributes:
        model, indices: The `tfrs.Model`; the order of its users and movies; weeks, bias: as fitted on train.
        scale: The unit of stars in and out; `model` and `bias` know another one, see `Scale`.
        movies: movie_id, title, genres, year, popularity (ratings in train); one row per movie of `indices`.
        seen: user_id, movie_id of train and validation; never recommended to their user.
        history: One row an epoch: losses and validation metrics; saved and loaded with the model.
        best_epochs, fit_seconds, seed: Of `fit_hybrid`, e.g. {"stars": 12, "ranking": 30}; wall time.
    """

    def __init__(
        self, model: HybridModel, indices: Indices, movies, weeks, bias: Bias, seen: pd.DataFrame, scale=FIVE_STARS
    ):
        popularity = np.bincount(model.past.movie_index, minlength=indices.num_movies)
        self.model, self.indices = model, indices
        self.weeks, self.bias = weeks, bias
        self.movies = features.catalogue(movies, indices, popularity)
        self.seen = seen[["user_id", "movie_id"]]
        self.scale = scale
        self.history, self.best_epochs, self.fit_seconds, self.seed = None, {}, None, None
        self._pipeline = None

    def __repr__(self) -> str:
        return f"Hybrid({self.indices.num_users:,} users, {self.indices.num_movies:,} movies)"

    def __reduce__(self):
        return unpacked, (packed(self), read_hybrids)

    @property
    def members(self) -> list["Hybrid"]:
        return [self]

    @property
    def pipeline(self) -> Pipeline:
        """The graph from ids and stars to lists; made again if the weights have changed since it was made."""
        self._require_trained("ranking")
        if self._pipeline is None or not self._pipeline.is_current():
            models, titles = [member.model for member in self.members], self.movies["title"]
            self._pipeline = Pipeline(models, self.indices, titles, self.bias, self.seen, self.scale)
        return self._pipeline

    @property
    def levels(self) -> np.ndarray:
        """The different stars in train, ascending `[K]`; a single one if they say only what was watched."""
        return np.round(self.scale.outside(self.bias.levels), 5)

    @check_keywords()
    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return the stars that the model expects for each row, clipped to train's scale. float32 `[N]`.

        `ratings` has user_id, movie_id; and timestamp (in any unit) if known. A user without a rating in train, or a
        movie neither in train nor in `movies`, gets the biases alone.
        """
        return self.scale.outside(self.predict_inside(ratings).astype(float)).astype(np.float32)

    def predict_inside(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return the same on the scale of the models, see `Scale`."""
        self._require_trained("stars")
        ratings = rows_of(ratings)
        rows, time = features.rating_rows(ratings, self.indices, self.weeks), self.weeks.seconds(ratings)
        stars = self.bias.predict(ratings)
        known = np.nonzero((rows["user_index"] != UNKNOWN) & (rows["movie_index"] != UNKNOWN))[0]
        known = known[np.argsort(rows["user_index"][known], kind="stable")]  # a user's history is summed once
        for start in range(0, len(known), ROWS_PER_BATCH):
            batch = known[start : start + ROWS_PER_BATCH]
            columns = {name: tf.constant(rows[name][batch]) for name in ("user_index", "movie_index", "week_index")}
            session = session_features(self.model.past, rows["user_index"][batch], time[batch])
            stars[batch] = self.model.predict_stars(columns | {"session": tf.constant(session)})
        return stars.clip(*self.bias.scale)

    @check_keywords()
    def score(self, user_index: np.ndarray) -> np.ndarray:
        """Return the ranking head's scores, float32 `[U, num_movies]`: the scorer that `evaluation` ranks with."""
        self._require_trained("ranking")
        return self.model.score(tf.constant(rows_of_users(self.indices, user_index))).numpy()

    @check_keywords()
    def recommend(self, user_ids, k: int = 10, *, because: bool = False) -> pd.DataFrame:
        """Return the k best films that each user has not seen: retrieval, then ranking, see `Pipeline`.

        Args:
            user_ids: Ids as published, e.g. [1, 42], or ["U1", "U2"], or a table; all must have ratings in train.
            k: 1 or more. A user who has seen nearly everything gets fewer rows; so do all where films are fewer.
            because: True adds a column of that name: what speaks for each film, in words.

        Returns:
            DataFrame user_id, rank (from 1), movie_id, title, score, predicted_stars; the users in the order given.
        """
        index, k = users_of(self, user_ids), self._length(k)
        pipeline = self.pipeline
        unique, order = np.unique(index, return_inverse=True)
        asked = np.split(self.indices.user_ids[unique], range(USERS_PER_BLOCK, len(unique), USERS_PER_BLOCK))
        blocks = [pipeline.recommend(tf.constant(ids, pipeline.user_type), k) for ids in asked]
        columns = {name: np.concatenate([block[name].numpy() for block in blocks])[order] for name in blocks[0]}
        table = table_of_lists(columns, np.repeat(self.indices.user_ids[index], k))
        if because:
            table["because"] = ""
            for user_id, rows in table.groupby("user_id").groups.items():
                person = pipeline.known(tf.constant(user_of(self, user_id)))
                table.loc[rows, "because"] = reasons(self, pipeline, person, table["movie_id"][rows])
        return table

    @check_keywords()
    def recommend_new(self, stars: dict | None = None, k: int = 10, *, genres=(), because=False) -> pd.DataFrame:
        """Return the k best films for a user who is new, from a few films that they rated or genres that they like.

        The model is not trained again: the history is read like any other, each film with full weight. Films that they
        pick from all that they know help; first answers to a page of films did not, see notebook 09. Of genres alone,
        their films come first, best first. If nothing is given, the list is what was liked most in the last weeks of
        train. `.attrs["based_on"]` says which.

        Args:
            stars: {title or movie_id: stars}, e.g. {"Toy Story (1995)": 5.0, "Fargo": 2}, on the scale of the data; or
                a Series or pairs of the same; or titles alone, of films that they liked.
                Where ids are text, a text that is the id of one film and the title of another is refused.
            genres: Favourites, e.g. ("Comedy", "Sci-Fi").

        Returns:
            DataFrame as of `recommend`, user_id missing; films in `stars` are left out.
        """
        pipeline = self.pipeline
        newcomer, k = newcomer_of(self, pipeline, stars, genres), self._length(k)
        answer = pipeline.recommend_new(*newcomer, k)
        nobody = pd.array([pd.NA] * k, "str" if is_text(self.indices.user_ids) else "Int64")
        table = table_of_lists({name: column.numpy() for name, column in answer.items()}, nobody)
        parts = ["stars"] * (len(newcomer[0]) > 0) + ["genres"] * (len(newcomer[3]) > 0)
        table.attrs["based_on"] = " and ".join(parts) or "popularity"
        if because:
            table["because"] = reasons(self, pipeline, pipeline.new_person(*newcomer), table["movie_id"])
        return table

    @check_keywords()
    def similar(self, movie, k: int = 10) -> pd.DataFrame:
        """Return the k films most like a title or movie_id, by their vectors in the ranking head, without itself.

        DataFrame rank, movie_id, title, score (cosine, 1 is the same direction).
        """
        answer = self.pipeline.similar(movie_of(movie, self.movies, self.indices), self._length(k))
        return table_of_lists({name: column.numpy() for name, column in answer.items()}, None).drop(columns="user_id")

    @check_keywords()
    def explain(self, movie, user_id: int | str) -> pd.DataFrame:
        """Return why this film is for this user: parts that add up to its score in `recommend`. See `explain`."""
        index, pipeline = tf.constant(user_of(self, user_id)), self.pipeline
        return explain(self, pipeline, pipeline.known(index), movie_of(movie, self.movies, self.indices))

    @check_keywords()
    def explain_new(self, movie, stars: dict | None = None, *, genres: tuple = ()) -> pd.DataFrame:
        """Return the same for a newcomer; see `recommend_new`."""
        pipeline = self.pipeline
        person = pipeline.new_person(*newcomer_of(self, pipeline, stars, genres))
        return explain(self, pipeline, person, movie_of(movie, self.movies, self.indices))

    @check_keywords()
    def save(self, folder) -> None:
        """Write the model to `folder`, which is created if it is missing; `load_model(folder)` reads it."""
        save_members(folder, self.members, None if self.model.ranking is None else self.pipeline)

    def without_stars(self) -> "Hybrid":
        """Return the same model with the ranking head alone, whose lists skip the second step, see `Pipeline`."""
        self._require_trained("ranking")
        old = self.model
        about = (old.past, old.user_features, old.movie_features, self.bias, 1)  # no week table: it is for stars
        new = HybridModel(*about, ("ranking",), old.settings)
        new.score(tf.constant([0]))  # builds the layers
        new.ranking.set_weights(old.ranking.get_weights())
        return Hybrid(new, self.indices, self.movies, self.weeks, self.bias, self.seen, self.scale)

    def _require_trained(self, head: str) -> None:
        if getattr(self.model, head) is None:
            if head == "stars" and len(self.bias.levels) == 1:
                found = f"all {len(self.model.past.residual):,} of train are {self.levels[0]:g}"
                what = "they say what was watched, and not how it was liked"
                raise ValueError(f"stars can be predicted only if ratings differ; {found}: {what}. Use `recommend`.")
            must = f"the {head} head must be trained for this; fit_hybrid was asked for {list(self.best_epochs)} only"
            raise ValueError(f'{must}. Fit again with heads=("stars", "ranking"), the default.')

    def _length(self, k) -> int:
        return whole_number(k, "k", self.indices.num_movies, "the movies")


class Ensemble(Hybrid):
    """The mean stars and scores of hybrids that differ in their seed: what one learned by chance cancels out."""

    members: list[Hybrid] = ()  # an attribute here

    def __init__(self, members: list[Hybrid]):
        if not members:
            raise ValueError("an Ensemble needs at least one member; fit_ensemble(split, seeds=(0, 1, 2)) makes three.")
        if len({id(member.model) for member in members}) < len(members):
            raise ValueError("the members of an Ensemble must differ: the mean of one model and itself is that model.")
        first = members[0]
        for ids in ("user_ids", "movie_ids"):
            if not all(np.array_equal(getattr(m.indices, ids), getattr(first.indices, ids)) for m in members):
                raise ValueError("all members must be fitted on the same users and movies; fit_ensemble takes care.")
        super().__init__(first.model, first.indices, first.movies, first.weeks, first.bias, first.seen, first.scale)
        self.members = list(members)
        self.best_epochs = first.best_epochs
        self.fit_seconds = sum(member.fit_seconds or 0 for member in members)

    def __repr__(self) -> str:
        return f"Ensemble of {len(self.members)}: {self.members[0]!r}"

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return the mean of the members' stars; see `Hybrid.predict`."""
        return np.mean([member.predict(ratings) for member in self.members], axis=0)

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """Return the mean of the members' scores; see `Hybrid.score`."""
        return np.mean([member.score(user_index) for member in self.members], axis=0)


def read_hybrids(manifest: dict, place: Path) -> Hybrid:
    """Return the `Hybrid`, or the `Ensemble`, of a saved version."""
    members = []
    for parts, trained in read_members(manifest, place):
        members.append(Hybrid(*parts))
        vars(members[-1]).update(trained)
    return members[0] if len(members) == 1 else Ensemble(members)
