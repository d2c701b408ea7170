"""How often is the next choice of a searcher among the documents related to the one before? Swing and co-occurrence.

    python benchmarks/learning/related.py LOGS VERTICAL

Of each searcher with at least three choices, the last is held out; what is related is counted from all others. hit@k:
the held-out choice is among the first k of the list of the choice before it. Baseline: the k most chosen documents. The
interval is of 95 %, over searchers; of the difference it is paired.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import ibis
import numpy as np
from ibis import _

from alicorn.logs import read_logs
from alicorn.logs.related import choices, related
from alicorn.vertical import Vertical

AT = (10, 50)


def interval(values: np.ndarray) -> str:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.4f} [{values.mean() - half:+.4f}, {values.mean() + half:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("vertical", type=Path)
    asked = parser.parse_args()
    with read_logs(asked.logs, Vertical.load(asked.vertical)) as logs:
        back = ibis.row_number().over(group_by="searcher_id", order_by=[_.time.desc(), _.doc_id])
        number = ibis.row_number().over(group_by="searcher_id", order_by=[_.time, _.doc_id])
        ordered = logs.keep("ordered", choices(logs).mutate(back=back, number=number))
        held = ordered.filter((_.back == 0) & (_.number >= 2)).select("searcher_id", held="doc_id")
        before = ordered.filter(_.back == 1).select("searcher_id", before="doc_id")
        tested = held.join(before, "searcher_id").order_by("searcher_id").to_pyarrow()
        kept = logs.keep("kept", ordered.anti_join(held, [ordered.searcher_id == held.searcher_id, _.back == 0]))
        popular = kept.group_by("doc_id").aggregate(count=_.count()).order_by(_["count"].desc(), "doc_id")
        most = popular.limit(max(AT)).to_pyarrow()["doc_id"].to_pylist()
        lists: dict[str, dict[str, Sequence[str]]] = {}
        for by in ("swing", "co-occurrence"):
            started = time.process_time()
            rows = related(logs, kept.select("searcher_id", "doc_id", "time"), by, max(AT)).to_pyarrow().to_pylist()
            lists[by] = {row["doc_id"]: row["related"] for row in rows}
            print(f"{by}: {len(rows):,} documents, {time.process_time() - started:.1f} s of processor")
    pairs = list(zip(tested["before"].to_pylist(), tested["held"].to_pylist(), strict=True))
    print(f"{len(pairs):,} searchers")
    for k in AT:
        hits = {by: np.array([held in of.get(one, ())[:k] for one, held in pairs]) for by, of in lists.items()}
        hits["most chosen"] = np.array([held in most[:k] for _before, held in pairs])
        for by, found in hits.items():
            print(f"hit@{k} {by}: {interval(found.astype(float))}")
        print(f"hit@{k} swing - co-occurrence: {interval(hits['swing'].astype(float) - hits['co-occurrence'])}")


if __name__ == "__main__":
    main()
