"""How fast are filtered nearest neighbours and hybrid expressions, beside the best that one could use instead?

    python benchmarks/engine/hybrid.py [--documents 1000000] [--queries 300] [--cache DIR] [--json FILE] [--rows NAME]
    python benchmarks/engine/hybrid.py --growth 100000 1000000

Data: harness/vectors.py. Every system is tuned per row, on requests that are not measured, to its cheapest setting
with recall >= 0.95 against exact search; then all answer in turns, request by request, on one core. Recall is of the
10 nearest (or 1,600) of the filter's documents; of a radius, the share of its documents that were found.
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness.ours import Alicorn, Codes
from harness.table import OURS, arguments_of, run, show, write
from harness.vectors import Data, make
from harness.workload import Filter, Request, Row, new_queries

Draw = Callable[[Data, np.random.Generator, int], list[Request]]


def nearest(filter: Filter | None = None, k: int = 10, correlated: bool = False) -> Draw:
    """Requests for the k nearest, all with one filter; correlated: they come from where its documents are."""

    def draw(data: Data, rng: np.random.Generator, count: int) -> list[Request]:
        anchors = rng.integers(len(data), size=count)
        if correlated:
            assert filter is not None
            anchors = rng.choice(data.postings[filter.all_of[0]], size=count)
        return [Request(query, filter, k) for query in new_queries(data, anchors, rng)]

    return draw


def tagged(make: Callable[[list[str], np.random.Generator], Filter], k: int = 10) -> Draw:
    """Requests with a filter made of the tags of a document, and a query near that document."""

    def draw(data: Data, rng: np.random.Generator, count: int) -> list[Request]:
        anchors = rng.integers(len(data), size=count)
        queries = new_queries(data, anchors, rng)
        filters = [make(_drawn_tags(data, int(anchor)), rng) for anchor in anchors]
        return [Request(query, one, k) for query, one in zip(queries, filters, strict=True)]

    return draw


def _drawn_tags(data: Data, document: int) -> list[str]:
    """Its Zipf tags, the correlated ones too."""
    return [tag for tag in data.tags_of(document) if tag[:2] in ("z:", "t:")]


def _some(count: int) -> Callable[[list[str], np.random.Generator], Filter]:
    return lambda tags, rng: Filter(all_of=tuple(rng.choice(tags, size=min(count, len(tags)), replace=False).tolist()))


def _one_or_two(tags: list[str], rng: np.random.Generator) -> Filter:
    """As in BigANN's filter track, whose queries ask for one or two tags."""
    return _some(int(rng.integers(1, 3)))(tags, rng)


def _any_of_three(tags: list[str], rng: np.random.Generator) -> Filter:
    return Filter(any_of=tuple(rng.choice(tags, size=min(3, len(tags)), replace=False).tolist()))


def mixed(data: Data, rng: np.random.Generator, count: int) -> list[Request]:
    """Requests each with a filter rate of its own, from none to 0.01 %."""
    rates = (None, *(Filter(all_of=(name,)) for name in ("u:50%", "u:10%", "u:1%", "u:0.1%", "u:0.01%")))
    queries = new_queries(data, rng.integers(len(data), size=count), rng)
    chosen = rng.integers(len(rates), size=count)
    return [Request(query, rates[at], 10) for query, at in zip(queries, chosen, strict=True)]


def hybrid(data: Data, rng: np.random.Generator, count: int) -> list[Request]:
    """(or (and t1 t2) (nn x :radius r)): the documents of two tags, and those within a radius of about 100 hits."""
    radius = radius_of(data, 100, rng)
    anchors = rng.integers(len(data), size=count)
    queries = new_queries(data, anchors, rng)
    also = [_some(2)(_drawn_tags(data, int(anchor)), rng) for anchor in anchors]
    return [Request(query, radius=radius, also=one) for query, one in zip(queries, also, strict=True)]


def radius_of(data: Data, hits: int, rng: np.random.Generator, filter: Filter | None = None) -> float:
    """The cosine distance within which half of the requests have that many documents, to four digits."""
    documents = slice(None) if filter is None else data.postings[filter.all_of[0]]
    queries = new_queries(data, rng.integers(len(data), size=20), rng)
    scores = queries @ data.vectors[documents].T
    return round(1.0 - float(np.median(np.partition(scores, -hits, axis=1)[:, -hits])), 4)


def _tag(name: str) -> Filter:
    return Filter(all_of=(name,))


ROWS = (
    Row("no filter", nearest(), aim=1),
    Row("50 %", nearest(_tag("u:50%")), aim=1),
    Row("10 % correlated", nearest(_tag("c:10%"), correlated=True), aim=2),
    Row("10 %", nearest(_tag("u:10%")), aim=2),
    Row("1 % correlated", nearest(_tag("c:1%"), correlated=True), aim=3),
    Row("1 %", nearest(_tag("u:1%")), aim=3),
    Row("0.1 %", nearest(_tag("u:0.1%")), aim=1.5),
    Row("0.01 %", nearest(_tag("u:0.01%"))),
    Row("0.01 %, search_many of 50", nearest(_tag("u:0.01%")), aim=1, batch=50),
    Row("two tags", tagged(_some(2)), aim=2),
    Row("one or two tags", tagged(_one_or_two), aim=2),
    Row("any of three tags", tagged(_any_of_three), aim=2),
    Row("half, and not 30 %", nearest(Filter(all_of=("half",), none_of=("u:30%",))), aim=1),
    Row("(or (and t1 t2) (nn radius))", hybrid, aim=3),
    Row("two tags, one setting", tagged(_some(2)), aim=1.5, one_setting=True),
    Row("one or two tags, one setting", tagged(_one_or_two), aim=1.5, one_setting=True),
    Row("mixed rates, one setting", mixed, aim=1.5, one_setting=True),
    Row("top 1,600", nearest(k=1600), aim=1),
    Row("top 1,600 of 30 %", nearest(_tag("u:30%"), k=1600), aim=3),
)
RATES = ("50 %", "10 % correlated", "10 %", "1 % correlated", "1 %", "0.1 %", "0.01 %")
GROWTH = ("no filter", "10 %", "1 %")


def p99_over_rates(result: dict) -> str:
    """The worst p99 of the filter rates beside the unfiltered one; the aim is at most twice."""
    p99 = {row["row"]: row["systems"][OURS]["p99_us"] for row in result["rows"]}
    rates = {name: p99[name] for name in RATES if name in p99}
    if "no filter" not in p99 or not rates:
        return ""
    worst = max(rates, key=lambda name: rates[name])
    return (
        f"\np99 over all filter rates: {rates[worst]:,.0f} us at {worst}, {rates[worst] / p99['no filter']:.2f} times"
        f" the unfiltered {p99['no filter']:,.0f} us (aim: at most 2)."
    )


def growth(sizes: list[int], arguments: argparse.Namespace) -> list[dict]:
    """Latency of three rows as the collection grows, at the same recall."""
    arguments.rows = None
    rows = [row for row in ROWS if row.name in GROWTH]
    ours = Codes if arguments.codes else Alicorn
    results = [
        run(rows, arguments, make(arguments.cache, size, arguments.dim, shares_only=True), ours) for size in sizes
    ]
    print("| row | " + " | ".join(f"{size:,}" for size in sizes) + " | p50 grows as documents to the power |")
    print("|---" * (len(sizes) + 2) + "|")
    for at, row in enumerate(rows):
        p50 = [result["rows"][at]["systems"][OURS]["p50_us"] for result in results]
        recalls = [result["rows"][at]["systems"][OURS]["recall"] for result in results]
        power = np.polyfit(np.log(sizes), np.log(p50), 1)[0] if len(sizes) > 1 else float("nan")
        cells = " | ".join(f"{us:,.0f} us ({share:.3f})" for us, share in zip(p50, recalls, strict=True))
        print(f"| {row.name} | {cells} | {power:.2f} |")
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = arguments_of(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    )
    parser.add_argument("--codes", action="store_true", help="with --growth: keep 8-bit codes of vectors only")
    parser.add_argument("--growth", type=int, nargs="+", metavar="DOCUMENTS", help="latency at these sizes instead")
    parsed = parser.parse_args(arguments)
    if parsed.growth:
        write(growth(parsed.growth, parsed), parsed)
        return
    result = run(ROWS, parsed)
    print(show(result) + p99_over_rates(result))
    write(result, parsed)


if __name__ == "__main__":
    main()
