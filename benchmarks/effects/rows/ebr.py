"""The rows of effects.py: for each claim of the EBR paper two recipes that differ in one thing.

Features are compared with the shipped recipe of the people world. Sampling is compared with EBR's own recipe, as far as
it is known: triplet loss, clicks, and a hundred random negatives for each positive. Its margin and its
number of negatives are unknown; both are swept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lab.people import Lab, recall

import alicorn.training
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.training import Recipe

Ranks = tuple[np.ndarray, np.ndarray]  # of the targets, or what else a row measures: baseline, variant
Measure = Callable[[np.ndarray, Targets, int], np.ndarray]  # of one of them, at K: (searches,)


@dataclass(frozen=True)
class Row:
    """claim: what the paper says, with its figure. expected: of variant against baseline; "" where nothing is claimed.
    size: the figure, as a share of recall, where there is one. label: only searches that carry it (Lab.labels).
    measure, named: what is compared, and its name in the table; rows of a section have one."""

    section: str
    compared: str
    claim: str
    expected: Literal["up", "down", "equal", "no gain", ""]
    ranks: Callable[[Lab], Ranks]
    size: float | None = None
    label: str | None = None
    measure: Measure = recall
    named: str = "recall"


def changed(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with some keys of recipe.yaml replaced as a whole."""
    return Recipe.model_validate({**recipe.plain(), **changes})


SHIPPED = Recipe.load(Path(alicorn.training.__file__).parent / "people_recipe.yaml")
RANDOM = {"random": 100, "in_batch": False}
EBR = changed(
    SHIPPED,
    loss={"kind": "triplet", "margin": 0.5},
    negatives=RANDOM,
    positives=["click"],
    epochs=6,
    validation={"start": False, "interpolate": []},
)


def two(baseline: Recipe, variant: Recipe) -> Callable[[Lab], Ranks]:
    """The ranks by the models of two recipes."""
    return lambda lab: (lab.ranks(baseline), lab.ranks(variant))


# Features

LOCATION, SOCIAL = ["city", "region", "country", "language"], ["clusters", "social"]


def with_features(*names: str, **towers: Any) -> Recipe:
    """Text and the named features on both sides."""
    features = {"request": ["text", *names], "document": ["name", *names]}
    return changed(SHIPPED, towers={**SHIPPED.towers.model_dump(), "features": features, **towers})


TEXT = with_features()
TRIGRAMS = {"text": {"word_ngrams": 0}}


def feature_rows() -> list[Row]:
    groups = {
        "location": LOCATION,
        "social clusters": ["clusters"],
        "social embedding": ["social"],
        "clusters and embedding": SOCIAL,
    }
    row = partial(Row, "Features")
    return [
        row("unified / text", "+16 % (groups), +18 % (events)", "up", two(TEXT, SHIPPED), 0.16),
        *(
            row(f"text and {name} / text", "each group of features helps", "up", two(TEXT, with_features(*group)))
            for name, group in groups.items()
        ),
        row(
            "word n-grams / trigrams alone, unified",
            "+1.5 %",
            "up",
            two(with_features(*LOCATION, *SOCIAL, **TRIGRAMS), with_features(*LOCATION, *SOCIAL)),
            0.015,
        ),
        row("word n-grams / trigrams alone, text", "+1.5 %", "up", two(with_features(**TRIGRAMS), TEXT), 0.015),
    ]


# Positives


def sampled(source: str, count: Callable[[Lab], float], *others: str) -> Callable[[Lab], Recipe]:
    """EBR's recipe on so many pairs of a source, drawn at random, beside all pairs of the others."""

    def recipe(lab: Lab) -> Recipe:
        share = min(1.0, count(lab) / lab.available(SHIPPED, source))
        return changed(EBR, positives=[source, *others], volume={source: share})

    return recipe


def clicks(share: float) -> Callable[[Lab], float]:
    """A share of the number of clicks."""
    return lambda lab: share * lab.available(SHIPPED, "click")


def positive_rows() -> list[Row]:
    row = partial(Row, "Positives")
    few_clicks, few_hard = sampled("click", clicks(0.04)), sampled("hard", clicks(0.04))
    as_many = sampled("impression", clicks(1.0))
    shown = changed(EBR, positives=["impression"])
    both = changed(EBR, positives=["click", "impression"])
    hard_too, click_hard = changed(EBR, positives=["impression", "hard"]), changed(EBR, positives=["click", "hard"])
    return [
        row(
            "impressions / clicks, same number",
            "about equal",
            "equal",
            lambda lab: (lab.ranks(EBR), lab.ranks(as_many(lab))),
        ),
        row("clicks and impressions / clicks", "adds nothing", "no gain", two(EBR, both)),
        row(
            "hard positives, 4 % of the number of clicks / all clicks",
            "equal at 4 % of the volume",
            "equal",
            lambda lab: (lab.ranks(EBR), lab.ranks(few_hard(lab))),
        ),
        row(
            "hard positives / clicks, both 4 %",
            "so they must be better at equal volume",
            "up",
            lambda lab: (lab.ranks(few_clicks(lab)), lab.ranks(few_hard(lab))),
        ),
        row("impressions and hard positives / impressions", "better still", "up", two(shown, hard_too)),
        row("clicks and hard positives / clicks", "better still", "up", two(EBR, click_hard)),
    ]


# Negatives


def with_negatives(recipe: Recipe = EBR, **negatives: Any) -> Recipe:
    """The recipe's random negatives and these besides."""
    return changed(recipe, negatives={**recipe.negatives.model_dump(), **negatives})


NON_CLICK = with_negatives(random=0, non_click=1)


def negative_rows() -> list[Row]:
    online = {count: with_negatives(online_hard=count) for count in (1, 2, 5, 10)}
    random = {count: with_negatives(random=count) for count in (10, 100, 1000)}
    row = partial(Row, "Negatives")
    return [
        row("non-click impressions / random", "-55 % (people)", "down", two(EBR, NON_CLICK), 0.55),
        row("online hard: 1 / none", "+8.38 % (people), at most 2", "up", two(EBR, online[1]), 0.0838),
        row("online hard: 2 / none", "+8.38 % (people), at most 2", "up", two(EBR, online[2]), 0.0838),
        row("online hard: 5 / 2", "more than 2 make recall fall", "down", two(online[2], online[5])),
        *(
            row(f"{more} random / {less}", "", "", two(random[less], random[more]))
            for less, more in ((10, 100), (100, 1000))
        ),
        row("online hard: 10 / 2", "more than 2 make recall fall", "down", two(online[2], online[10])),
    ]


def then(*stages: dict[str, Any], epochs: int = 3) -> Recipe:
    """EBR's recipe in stages, each given by its negatives."""
    return changed(EBR, stages=[{"negatives": negatives, "epochs": epochs} for negatives in stages])


def mined(first: int = 101, last: int = 500, easy_per_hard: float = 100, **others: Any) -> dict[str, Any]:
    """Random negatives and those mined from a window of ranks, on a fifth of the documents."""
    window = {"ranks": [first, last], "easy_per_hard": easy_per_hard, "shard": 0.2}
    return {**RANDOM, "mined": window, **others}


def offline_rows() -> list[Row]:
    easy = then(RANDOM, RANDOM)
    near, middle, far = (then(RANDOM, mined(*window)) for window in ((1, 100), (101, 500), (501, 2000)))
    ratio = {r: then(RANDOM, mined(easy_per_hard=r)) for r in (1, 10, 100, 1000)}
    row = partial(Row, "Offline hard negatives")
    return [
        row("ranks 101-500 / none", "hard beside easy ones help", "up", two(easy, middle)),
        row("ranks 101-500 / 1-100", "101-500 is best", "up", two(near, middle)),
        row("ranks 101-500 / 501-2000", "101-500 is best", "up", two(far, middle)),
        *(
            row(
                f"easy to hard {more}:1 / {less}:1", "rises with the share of easy", "up", two(ratio[less], ratio[more])
            )
            for less, more in ((1, 10), (10, 100))
        ),
        row("easy to hard 1000:1 / 100:1", "saturates near 100:1", "equal", two(ratio[100], ratio[1000])),
    ]


def hard_alone() -> dict[str, Any]:
    """Mined negatives and no others."""
    negatives = mined(random=0)
    negatives["mined"]["per_positive"] = 4
    return negatives


def transfer_rows() -> list[Row]:
    only_hard = hard_alone()
    easy, hard = then(RANDOM, RANDOM), then(only_hard, only_hard)
    row = partial(Row, "Hard and easy, one after the other")
    return [
        row("hard alone / easy alone", "below", "down", two(easy, hard)),
        row("hard, then easy / easy alone", "helps", "up", two(easy, then(only_hard, RANDOM))),
        row("easy, then hard / easy alone", "does not help", "no gain", two(easy, then(RANDOM, only_hard))),
    ]


# Loss

MARGINS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


def margin_rows() -> list[Row]:
    recipes = [changed(EBR, loss={"kind": "triplet", "margin": margin}) for margin in MARGINS]

    def extremes(lab: Lab) -> Ranks:
        ordered = sorted(recipes, key=lab.best_validation)
        return lab.ranks(ordered[0]), lab.ranks(ordered[-1])

    row = partial(Row, "Margin and correction")
    softmax = changed(EBR, loss={"kind": "softmax"}, negatives={"random": 0})
    return [
        row("best margin / worst margin, chosen on the valid split", "5 to 10 %", "up", extremes, 0.05),
        *(
            row(f"margin {greater} / {less}", "must be tuned", "", two(recipes[i], recipes[i + 1]))
            for i, (less, greater) in enumerate(pairwise(MARGINS))
        ),
        row(
            "logQ / none, softmax over in-batch negatives",
            "without it popular documents suffer (Yi et al.)",
            "up",
            two(softmax, with_negatives(softmax, log_q=True)),
        ),
        row(
            "100 random beside in-batch / in-batch alone",
            "helps (mixed negative sampling)",
            "up",
            two(softmax, with_negatives(softmax, random=100)),
        ),
    ]


# Why: the effects that disagree, and those of interest, by kind of search


def labelled(compared: str, ranks: Callable[[Lab], Ranks], *labels: str) -> list[Row]:
    """The comparison on searches of each label alone."""
    return [Row("By kind of search", f"{compared}: {label}", "", "", ranks, label=label) for label in labels]


def explanations() -> list[Row]:
    few_clicks, few_hard = sampled("click", clicks(0.04)), sampled("hard", clicks(0.04))
    in_batch = changed(EBR, loss={"kind": "softmax"}, negatives={"random": 0})
    mixed, corrected = with_negatives(in_batch, random=100), with_negatives(in_batch, log_q=True)
    ten, ten_and_hard = with_negatives(random=10), with_negatives(random=10, online_hard=2)
    trigrams = with_features(*LOCATION, *SOCIAL, **TRIGRAMS)
    return [
        *labelled("unified / text", two(TEXT, SHIPPED), "ambiguous", "unambiguous", "friend_of_friend", "anyone"),
        *labelled(
            "word n-grams / trigrams alone", two(trigrams, with_features(*LOCATION, *SOCIAL)), "exact", "misspelled"
        ),
        *labelled("online hard: 2 / none", two(EBR, with_negatives(online_hard=2)), "ambiguous", "unambiguous"),
        Row("By kind of search", "online hard beside 10 random: 2 / none", "", "", two(ten, ten_and_hard)),
        *labelled(
            "hard alone / easy alone",
            two(then(RANDOM, RANDOM), then(hard_alone(), hard_alone())),
            "ambiguous",
            "unambiguous",
            "exact",
            "misspelled",
        ),
        *labelled(
            "easy to hard 100:1 / 10:1",
            two(then(RANDOM, mined(easy_per_hard=10)), then(RANDOM, mined(easy_per_hard=100))),
            "ambiguous",
            "unambiguous",
        ),
        *labelled(
            "hard positives / clicks, both 4 %",
            lambda lab: (lab.ranks(few_clicks(lab)), lab.ranks(few_hard(lab))),
            "clicked",
            "failed",
            "misspelled",
            "nickname",
        ),
        *labelled(
            "clicks and hard positives / clicks",
            two(EBR, changed(EBR, positives=["click", "hard"])),
            "clicked",
            "failed",
        ),
        *labelled("100 random beside in-batch / in-batch alone", two(in_batch, mixed), "cold", "warm"),
        *labelled("logQ / none", two(in_batch, corrected), "cold", "warm"),
    ]


ROWS = [
    *feature_rows(),
    *negative_rows(),
    *positive_rows(),
    *offline_rows(),
    *transfer_rows(),
    *margin_rows(),
    *explanations(),
]
