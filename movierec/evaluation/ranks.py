"""The exact rank of every held-out movie among all that its user has not seen: everybody, all movies, no sample.

A rank needs no sorted list: it is counted, in one pass over the user's scores. Of 280,000 users and 42,000 movies, in
well under a minute where the scores are products of 32 factors; `evaluate_ranking`, which makes lists and measures them
in ten ways, takes several. Taught in notebooks/10_serving.
"""

import numpy as np
import pandas as pd
from tqdm import tqdm

from movierec.data import UNKNOWN, Indices
from movierec.evaluation.full_ranking import (
    LIKED_FROM_STARS,
    RANKING_METRICS,
    Scorer,
    check_scores,
    count_unmeasured,
    rated_pairs,
    users_per_block_of,
)
from movierec.evaluation.resume import KeptBlocks, fingerprint


def held_out_ranks(
    scorer: Scorer,
    held_out: pd.DataFrame,
    seen: pd.DataFrame,
    indices: Indices,
    *,
    users_per_block: int | None = None,
    progress: bool = False,
    keep=None,
    key: str = "",
) -> np.ndarray:
    """The rank of each row's movie among all movies its user has not seen, 1 = best: float64 `[N]`.

    rank(u, i) = 1 + |{j unseen by u: s_uj > s_ui, or s_uj = s_ui and j < i}|

    Equal scores fall in the order of the index, as in `top_k`: a movie is in its user's top k if its rank is at most k.
    NaN, which is not at most k for any k, where the user or the movie has no index, or where the score is -inf: such
    a movie is never recommended.

    Args:
        scorer: `user_index [U] -> float32 [U, num_movies]`. Its array is read, not changed or copied.
        held_out: rows of user_id, movie_id.
        seen: rows of user_id, movie_id that do not compete, as in `rank`: train, and validation for test.
        users_per_block: are scored at a time; None: as many as make 16 MB of scores, which a processor's cache holds.
        progress: whether to show a bar with users a second and the time left.
        keep: a folder for finished blocks. Who asks again after the process was killed goes on where it stopped.
        key: with `keep`, what the scores depend on, e.g. the model's name and seed: the only part of the question that
            cannot be read off the tables. With another key, or other tables, the folder is refused.

    Raises:
        ValueError: if a held-out movie is among those its user has seen, the scores have another shape or are NaN,
            `users_per_block` is below 1, `keep` has no `key`, or is of another question.
        OSError: if `keep` cannot be written.
    """
    user, movie = indices.user_index(held_out["user_id"]), indices.movie_index(held_out["movie_id"])
    all_seen = rated_pairs(_of_users(seen, user, indices), indices)
    _refuse_seen(held_out, all_seen, indices)
    rows = np.flatnonzero((user != UNKNOWN) & (movie != UNKNOWN))
    rows = rows[np.argsort(user[rows], kind="stable")]
    users, starts = np.unique(user[rows], return_index=True)
    starts = np.append(starts, len(rows))
    size = users_per_block_of(indices.num_movies) if users_per_block is None else users_per_block
    if size < 1:
        raise ValueError(
            f"`users_per_block` must be 1 or more; got {size}. Leave it out for a size that fits the cache."
        )
    blocks = [slice(low, min(low + size, len(users))) for low in range(0, len(users), size)]
    places = [rows[starts[block.start] : starts[block.stop]] for block in blocks]
    kept = _open(keep, key, size, (user, movie), all_seen, indices)
    ranks = np.full(len(held_out), np.nan)
    todo = [number for number, place in enumerate(places) if not _was_kept(kept, number, place, ranks)]
    left = sum(blocks[number].stop - blocks[number].start for number in todo)
    with tqdm(total=len(users), initial=len(users) - left, unit="user", disable=not progress) as bar:
        for number in todo:
            block, place = blocks[number], places[number]
            scores = np.asarray(scorer(users[block]), dtype=np.float32)
            check_scores(scores, users[block], indices)
            row = np.searchsorted(users[block], user[place])
            ranks[place] = _count(scores, row, movie[place], all_seen[users[block]])
            if kept:
                kept.save(number, ranks[place])
            bar.update(len(scores))
    return ranks


def evaluate_ranks(
    ranks: np.ndarray, held_out: pd.DataFrame, indices: Indices, k: int = 10, liked_from: float = LIKED_FROM_STARS
) -> pd.DataFrame:
    """One row per user with a relevant movie: the accuracy of `evaluate_ranking`, from ranks alone.

    What depends on more than the relevant movies' ranks, such as novelty or AUC, is not in it.

    Args:
        ranks: float `[N]`, of `held_out_ranks`; NaN counts as missed.
        held_out: rows of user_id, movie_id, rating in the same order.

    Returns:
        DataFrame, index user_id, columns "ndcg@10", "recall@10", "precision@10", "map@10", "mrr@10", "hit_rate@10" with
        the values of `evaluate_ranking`; `attrs` counts what could not be measured, as there.

    Raises:
        ValueError: if `ranks` has another length, or nobody can be measured.
    """
    if np.shape(ranks) != (len(held_out),):
        raise ValueError(
            f"`ranks` must have one number per row of `held_out`, shape ({len(held_out)},); got {np.shape(ranks)}. "
            "`held_out_ranks(scorer, held_out, seen, indices)` returns them."
        )
    user, liked = indices.user_index(held_out["user_id"]), (held_out["rating"] >= liked_from).to_numpy()
    relevant = liked & (user != UNKNOWN)
    if not relevant.any():
        raise ValueError(
            f"no user of `held_out` is known and has a movie of at least {liked_from} stars there; {len(held_out):,} "
            "ratings were looked at. `liked_from` says what counts as liked."
        )
    measured, row, num_relevant = np.unique(user[relevant], return_inverse=True, return_counts=True)
    rank = np.asarray(ranks)[relevant]
    listed = rank <= k
    hits = np.zeros((len(measured), k), bool)
    hits[row[listed], rank[listed].astype(np.int64) - 1] = True
    columns = {f"{name}@{k}": metric(hits, num_relevant) for name, metric in RANKING_METRICS.items()}
    table = pd.DataFrame(columns, pd.Index(indices.user_ids[measured], name="user_id"))
    table.attrs = count_unmeasured(held_out, held_out[liked], indices, len(table))
    return table


def _of_users(ratings: pd.DataFrame, user: np.ndarray, indices: Indices) -> pd.DataFrame:
    """The rows of these users; of some of many a small part of the memory."""
    is_asked = np.zeros(indices.num_users + 1, bool)  # the last is that of UNKNOWN
    is_asked[user] = True
    return ratings if is_asked.all() else ratings[is_asked[indices.user_index(ratings["user_id"])]]


def _refuse_seen(held_out: pd.DataFrame, all_seen, indices: Indices) -> None:
    both = rated_pairs(held_out, indices).multiply(all_seen)
    if both.nnz:
        user, movie = both.nonzero()
        first = np.stack([indices.user_ids[user[:3]], indices.movie_ids[movie[:3]]], axis=1).tolist()
        raise ValueError(
            f"a held-out movie must not be among those its user has seen; {both.nnz:,} of {len(held_out):,} are, e.g. "
            f"[user_id, movie_id] {first}. `held_out` and `seen` are different parts of a `Split`, e.g. split.test and "
            "split.train."
        )


def _open(keep, key: str, size: int, asked: tuple, all_seen, indices: Indices) -> KeptBlocks | None:
    if keep is None:
        return None
    if not key:
        raise ValueError(
            f"`keep` needs a `key` that says which model scores, else ranks of two models could be mixed; got {key!r}. "
            'Try key="hybrid, seed 0".'
        )
    question = {
        "format": "movierec ranks 1",
        "key": key,
        "users_per_block": size,
        "held_out": fingerprint(*asked),
        "seen": fingerprint(all_seen.indptr, all_seen.indices),
        "indices": fingerprint(indices.user_ids, indices.movie_ids),
    }
    return KeptBlocks(keep, question)


def _was_kept(kept: KeptBlocks | None, number: int, place: np.ndarray, ranks: np.ndarray) -> bool:
    """Whether the block's ranks were found; they are written to their place."""
    found = kept.load(number, len(place)) if kept else None
    if found is not None:
        ranks[place] = found
    return found is not None


def _count(scores: np.ndarray, rows: np.ndarray, movies: np.ndarray, seen) -> np.ndarray:
    """The ranks of `movies[n]` in `scores[rows[n]]`, float64 `[n]`; `seen` is bool `[block, num_movies]`, sparse.

    Seen movies are counted with the others and taken off again: there are few of them, and the scores stay as they are.
    """
    found, buffer = np.empty(len(rows)), np.empty(scores.shape[1], bool)
    last = None
    for n, (row, movie) in enumerate(zip(rows.tolist(), movies.tolist(), strict=True)):
        if row != last:
            of_user, last = scores[row], row
            columns = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
            of_seen = of_user[columns]
        score, place = of_user[movie], np.searchsorted(columns, movie)
        np.greater_equal(of_user[:movie], score, out=buffer[:movie])  # an equal one before it is better
        np.greater(of_user[movie:], score, out=buffer[movie:])
        better_seen = np.count_nonzero(of_seen[:place] >= score) + np.count_nonzero(of_seen[place:] > score)
        found[n] = 1 + np.count_nonzero(buffer) - better_seen if score > -np.inf else np.nan
    return found
