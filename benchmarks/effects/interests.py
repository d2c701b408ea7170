"""Do several vectors of a searcher find more of what they choose next, and regions more than points? MovieLens.

    python benchmarks/effects/interests.py --data ml-latest-small/ [--texts msrd/] [--out DIR]

Data, vectors (of tastes, or of texts) and days: lab/movielens_days.py; real people, day by day in the order of time. Of
each day, the 100 nearest movies to the vectors of a system, in equal shares of each vector and without those of the
history, are compared with what was liked. **Recall**: share of the liked among them. **Relevance**: share of the liked
with a cosine of 0.8 or more to one of them (PinnerSage); of 0.4 for vectors of texts, which are less alike. Means
over days, then over users; drawing is averaged over five draws.

The thresholds of Ward and of complete linkage are those of best recall on half of the users; the table is of the other
half. **Effect**: relative change of the mean; **interval**: 95 %, bootstrap over users, paired. **Verdict**: as in
effects.py. The paper's figures are recollected, of other data (Pinterest), and say the sign; every row states it.

Then regions beside points (Seq2Bubbles): all movies within the radius of each of three drawn interests, at most 100,
the first by distance over radius, beside as many in equal shares of the same medoids. Radii are learned on the users
that thresholds are chosen on, for several shares of next choices (`cover`).
"""

import argparse
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from effects import Effect
from lab.likeness import likeness_at
from lab.movielens_days import Day, days
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import kmeans2

from alicorn.evaluation.metrics.bootstrap import resampled_means
from alicorn.evaluation.metrics.ranking import Targets, recall_at
from alicorn.interests import drawn
from alicorn.interests.clusters import summary, ward
from alicorn.interests.regions import Reach, held_out, learned_reach, radii, spreads

SHOWN, DRAWS, NEWEST, SERVED = 100, 5, 500, 3
TASTES_ALIKE, TEXTS_ALIKE = 0.8, 0.4  # cosine from which a shown movie is relevant
COVERS = (0.3, 0.5, 0.7)  # of next choices by regions
THRESHOLDS = (0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0)

Labels = Callable[[np.ndarray], np.ndarray]  # vectors of a history -> the cluster of each
System = Callable[[np.ndarray, Day], list[np.ndarray]]  # vectors, day -> for each draw (count, dim)


@dataclass(frozen=True)
class Row:
    """As in rows/ebr.py; sizes: the paper's relative changes of relevance and of recall."""

    compared: str
    baseline: str
    variant: str
    expected: Literal["up", "down", "equal", "no gain", ""]
    sizes: tuple[float, float]


@dataclass(frozen=True)
class _Claim:
    """What Effect.verdict reads of a row."""

    expected: str
    size: float | None


# Systems


def last_item(vectors: np.ndarray, day: Day) -> list[np.ndarray]:
    return [vectors[day.history[-1:]]]


def decay_average(vectors: np.ndarray, day: Day) -> list[np.ndarray]:
    return [(np.exp(-0.01 * day.ages) @ vectors[day.history])[None]]


def sampled(
    vectors: np.ndarray, day: Day, labels: Labels, decay: float = 0.01, count: int = SERVED, centroid: bool = False
) -> list[np.ndarray]:
    """`count` clusters drawn by importance, each as its medoid or its centroid."""
    own = vectors[day.history[-NEWEST:]]
    found = summary(own, labels(own), np.exp(-decay * day.ages[-NEWEST:]))
    means = np.stack([own[found.clusters == cluster].mean(axis=0) for cluster in range(len(found))])
    points = means if centroid else own[found.medoids]
    rng = np.random.default_rng((day.user, len(day.history)))
    return [points[drawn(found.importance, count, rng)] for _ in range(DRAWS)]


def complete(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """Complete linkage."""
    return fcluster(linkage(vectors, "complete"), threshold, "distance").astype(np.int64) - 1


def k_means(vectors: np.ndarray) -> np.ndarray:
    """At most five clusters, numbered from 0 without gaps."""
    _, labels = kmeans2(vectors, min(5, len(vectors)), minit="++", rng=np.random.default_rng(0))
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


# Measuring


def measured(vectors: np.ndarray, alike: float, day: Day, asked: np.ndarray, count: int = SHOWN) -> tuple[float, float]:
    """Relevance and recall of a day by some vectors, (vectors, dim). count: of movies shown."""
    cosines = asked @ vectors.T / np.linalg.norm(asked, axis=1, keepdims=True)
    cosines[:, day.history] = -np.inf
    share = max(count // len(asked), 1)
    return compared(vectors, alike, day, np.unique(np.argpartition(-cosines, share, axis=1)[:, :share]))


def compared(vectors: np.ndarray, alike: float, day: Day, shown: np.ndarray) -> tuple[float, float]:
    """Relevance and recall of a day by the movies shown, (count,)."""
    targets = Targets.of([day.liked])
    relevance = likeness_at(shown[None], targets, vectors, SHOWN, alike)
    return float(relevance[0]), float(recall_at(shown[None], targets, SHOWN)[0])


class Bubbles(NamedTuple):
    """By user, users ascending: relevance and recall, (users, 2), of regions and of as many movies in equal shares of
    the same medoids. shown: movies, mean over days."""

    regions: np.ndarray
    points: np.ndarray
    shown: float


def bubbles(vectors: np.ndarray, alike: float, found: Sequence[Day], labels: Labels, reach: Reach) -> Bubbles:
    """Three drawn interests, each as all that is within its radius; of more than 100 movies the first by the distance
    over the radius."""
    values, counts = [], []
    for day in found:
        own = vectors[day.history[-NEWEST:]]
        of = summary(own, labels(own), np.exp(-0.01 * day.ages[-NEWEST:]))
        radius = radii(spreads(own, of), np.bincount(of.clusters), reach)
        rng = np.random.default_rng((day.user, len(day.history)))
        for _ in range(DRAWS):
            some = drawn(of.importance, SERVED, rng)
            points = own[of.medoids[some]]
            ratios = ((1.0 - points @ vectors.T) / radius[some][:, None]).min(axis=0)
            ratios[day.history] = np.inf
            order = np.argsort(ratios)
            shown = order[: min(SHOWN, int((ratios <= 1.0).sum()))]
            counts.append(len(shown))
            if len(shown):
                both = (compared(vectors, alike, day, shown), measured(vectors, alike, day, points, len(shown)))
            else:
                both = ((0.0, 0.0), (0.0, 0.0))
            values.append(np.array(both))
    of_days = np.array(values).reshape(len(found), DRAWS, 2, 2).mean(axis=1)
    users = np.array([day.user for day in found])
    of_users = np.array([of_days[users == user].mean(axis=0) for user in np.unique(users)])
    return Bubbles(of_users[:, 0], of_users[:, 1], float(np.mean(counts)))


def reach_of(vectors: np.ndarray, found: Sequence[Day], labels: Labels, cover: float) -> Reach:
    """From the first movie that was liked on each day, beside the interests of the history before it."""
    held = []
    for day in found:
        own = vectors[day.history[-NEWEST:]]
        of = summary(own, labels(own), np.ones(len(own)))
        held.append(held_out(np.concatenate([own, vectors[day.liked[:1]]]), of))
    return learned_reach(held, cover)


def by_user(vectors: np.ndarray, alike: float, found: Sequence[Day], system: System) -> np.ndarray:
    """(users, 2): relevance and recall, means over the days of each user, users ascending."""
    values = np.array(
        [np.mean([measured(vectors, alike, day, one) for one in system(vectors, day)], axis=0) for day in found]
    )
    users = np.array([day.user for day in found])
    return np.array([values[users == user].mean(axis=0) for user in np.unique(users)])


def effect(baseline: np.ndarray, variant: np.ndarray) -> Effect:
    """Both: (users,)."""
    means = resampled_means(np.stack([baseline, variant], axis=1))
    low, high = np.quantile(means[:, 1] / means[:, 0] - 1, [0.025, 0.975])
    change = variant.mean() / baseline.mean() - 1
    return Effect(1, float(baseline.mean()), float(variant.mean()), float(change), float(low), float(high))


def best_threshold(vectors: np.ndarray, found: Sequence[Day], labels: Callable[[np.ndarray, float], Any]) -> float:
    """Of the best recall of three sampled interests."""

    def recall(threshold: float) -> float:
        clusters = partial(_at, labels, threshold)
        return float(by_user(vectors, 1.0, found, partial(sampled, labels=clusters))[:, 1].mean())

    return max(THRESHOLDS, key=recall)


def _at(labels: Callable[[np.ndarray, float], np.ndarray], threshold: float, vectors: np.ndarray) -> np.ndarray:
    return labels(vectors, threshold)


# Rows

PINNERSAGE = "PinnerSage: Ward, medoids, 3 drawn, decay 0.01"
LAST, AVERAGE, ONE = "last movie", "decay average", "1 drawn"
FIVE, COMPLETE, CENTROID, NO_DECAY, FAST_DECAY = (
    "k-means, k = 5",
    "complete linkage",
    "centroid",
    "decay 0",
    "decay 0.1",
)


def lift(variant: tuple[float, float], baseline: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """The relative change between two of the paper's lifts over the last item."""
    relevance, recall = ((1 + v) / (1 + b) - 1 for v, b in zip(variant, baseline, strict=True))
    return relevance, recall


OURS = (1.10, 0.88)
ROWS = [
    Row("decay average / last movie", LAST, AVERAGE, "up", lift((0.28, 0.14))),
    Row("1 drawn interest / last movie", LAST, ONE, "up", lift((0.33, 0.18))),
    Row("3 drawn interests / last movie", LAST, PINNERSAGE, "up", lift(OURS)),
    Row("3 drawn interests / 1", ONE, PINNERSAGE, "up", lift(OURS, (0.33, 0.18))),
    Row("3 drawn interests / decay average", AVERAGE, PINNERSAGE, "up", lift(OURS, (0.28, 0.14))),
    Row("Ward / k-means, k = 5", FIVE, PINNERSAGE, "up", lift(OURS, (0.91, 0.68))),
    Row("Ward / complete linkage", COMPLETE, PINNERSAGE, "up", lift(OURS, (0.88, 0.65))),
    Row("medoid / centroid", CENTROID, PINNERSAGE, "up", lift(OURS, (1.05, 0.81))),
    Row("decay 0.01 a day / 0", NO_DECAY, PINNERSAGE, "up", lift(OURS, (0.97, 0.72))),
    Row("decay 0.01 a day / 0.1", FAST_DECAY, PINNERSAGE, "up", lift(OURS, (0.94, 0.69))),
]


def systems(ward_at: float, complete_at: float) -> dict[str, System]:
    own = partial(_at, ward, ward_at)
    return {
        LAST: last_item,
        AVERAGE: decay_average,
        ONE: partial(sampled, labels=own, count=1),
        PINNERSAGE: partial(sampled, labels=own),
        FIVE: partial(sampled, labels=k_means),
        COMPLETE: partial(sampled, labels=partial(_at, complete, complete_at)),
        CENTROID: partial(sampled, labels=own, centroid=True),
        NO_DECAY: partial(sampled, labels=own, decay=0.0),
        FAST_DECAY: partial(sampled, labels=own, decay=0.1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ratings.parquet")
    parser.add_argument("--texts", type=Path, help="folder with corpus.parquet: vectors of texts instead of tastes")
    parser.add_argument("--out", type=Path, help="folder for effect_interests.json")
    arguments = parser.parse_args()
    found, vectors = days(arguments.data, arguments.texts)
    alike = TASTES_ALIKE if arguments.texts is None else TEXTS_ALIKE
    to_choose = [day for day in found if zlib.crc32(str(day.user).encode()) % 2]
    found = [day for day in found if not zlib.crc32(str(day.user).encode()) % 2]
    ward_at, complete_at = (best_threshold(vectors, to_choose, labels) for labels in (ward, complete))
    values = {name: by_user(vectors, alike, found, system) for name, system in systems(ward_at, complete_at).items()}
    sizes = [int(ward(vectors[day.history[-NEWEST:]], ward_at).max()) + 1 for day in found]
    print(f"{len(found)} days of {len({day.user for day in found})} users; {len(vectors)} movies; thresholds chosen on")
    print(f"{len({day.user for day in to_choose})} other users: Ward {ward_at}, complete linkage {complete_at}.")
    print(f"Interests of a day by Ward: median {np.median(sizes):.0f}, 90 % up to {np.quantile(sizes, 0.9):.0f}.\n")
    print(table(values))
    print("\n| cover | movies shown | relevance | change | recall | change |\n" + "|---" * 6 + "|")
    own = partial(_at, ward, ward_at)
    for cover in COVERS:
        reach = reach_of(vectors, to_choose, own, cover)
        of = bubbles(vectors, alike, found, own, reach)
        cells = [f"{cover}", f"{of.shown:.0f}"]
        for at in range(2):
            one = effect(of.points[:, at], of.regions[:, at])
            change = f"{one.change:+.1%} [{one.low:+.1%}, {one.high:+.1%}]"
            cells += [f"{one.baseline:.4f} → {one.variant:.4f}", change]
        print("| " + " | ".join(cells) + " |")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        plain = {row.compared: [vars(one) for one in effects(values, row)] for row in ROWS}
        (arguments.out / "effect_interests.json").write_text(json.dumps(plain, indent=1))


def effects(values: dict[str, np.ndarray], row: Row) -> list[Effect]:
    """Of relevance and of recall."""
    return [effect(values[row.baseline][:, at], values[row.variant][:, at]) for at in range(2)]


def table(values: dict[str, np.ndarray]) -> str:
    lines = ["| compared | paper | relevance | change | | paper | recall@100 | change | |", "|---" * 9 + "|"]
    for row in ROWS:
        cells = [row.compared]
        for size, one in zip(row.sizes, effects(values, row), strict=True):
            verdict = one.verdict(_Claim(row.expected, size))  # type: ignore[arg-type]
            change = f"{one.change:+.1%} [{one.low:+.1%}, {one.high:+.1%}]"
            cells += [f"{size:+.0%}", f"{one.baseline:.4f} → {one.variant:.4f}", change, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
