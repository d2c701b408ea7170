"""Which quantizer settings suit these vectors and these queries? Measured in the engine, on copies of a collection.

    grid.py         Grid: which settings are tried, and how many clusters are looked in
    sample.py       the vectors of a collection, and the queries: given, or some of the documents themselves
    measure.py      recall, documents scanned, bytes and latency of one setting, by Collection.search
    recommend.py    the cheapest point that reaches a recall, and what it means for the whole collection
    report.py       the points as Markdown, JSON and curves
    tune.py         tune: all of it, and applying what was recommended

docs/tuning.md shows it at work.
"""

from alicorn.tuning.grid import Grid
from alicorn.tuning.measure import Point
from alicorn.tuning.report import write_report
from alicorn.tuning.tune import Tuning, tune

__all__ = ["Grid", "Point", "Tuning", "tune", "write_report"]
