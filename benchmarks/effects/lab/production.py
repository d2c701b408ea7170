"""The engine that people of a generated world search with: the Boolean expression by static rank, no embedding."""

import time

from alicorn import Collection, Vertical
from alicorn.worlds import Engine


def production_engine(collection: Collection, vertical: Vertical, seconds: list[float]) -> Engine:
    """The vertical's Boolean expression by static rank; adds the time it takes to `seconds`."""

    def search(queries: list[str]) -> list[list[str]]:
        started = time.perf_counter()
        results = collection.search_many([vertical.expression("boolean", query) for query in queries], limit=10)
        seconds.append(time.perf_counter() - started)
        return [result.ids for result in results]

    return search
