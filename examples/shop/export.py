"""Two CSV files as a shop exports them, for docs/tutorial.md: python export.py OUT.

Made of the shop world, a simulation (docs/shop-world.md). products.csv has prices with commas for thousands and cells
without a value; clicks.csv one line for every product that a search showed.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import pyarrow as pa

from alicorn import Collection, Vertical
from alicorn.tables import read_table
from alicorn.worlds import SHOP_VERTICAL, ShopWorld

SHOWN = 20  # a page


def products(documents: pa.Table) -> list[list[object]]:
    """Every 17th product has no brand, every 29th is new."""
    return [
        [
            *(row["doc_id"], row["title"], row["brand"] if at % 17 else "", row["category"], row["colour"]),
            *(f"{row['price'] * 10:,.2f}", round(row["popularity"] * 10) if at % 29 else ""),
        ]
        for at, row in enumerate(documents.to_pylist())
    ]


def clicks(world: ShopWorld, searches: int) -> list[list[object]]:
    """What the shop's own engine showed: products with every word in the title, the most sold first."""
    vertical = Vertical.load(SHOP_VERTICAL)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Collection.create(Path(temporary) / "engine") as engine,
    ):
        engine.upsert(vertical.index_table(world.documents()))

        def search(queries: list[str]) -> list[list[str]]:
            asked = [vertical.expression("boolean", query) for query in queries]
            return [result.ids for result in engine.search_many(asked, limit=SHOWN)]

        world.write_logs(Path(temporary) / "logs", searches, search)
        rows = read_table(Path(temporary) / "logs" / "impressions.parquet", "impressions").to_pylist()
    return [
        [
            *(row["search_id"], row["searcher_id"], row["time"].strftime("%Y-%m-%dT%H:%M:%SZ"), row["query"]),
            *(row["doc_id"], row["position"], int(row["clicked"])),
        ]
        for row in rows
    ]


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
    print(f"{path}: {len(rows):,} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of products.csv and clicks.csv")
    parser.add_argument("--products", type=int, default=5_000)
    parser.add_argument("--searches", type=int, default=20_000)
    options = parser.parse_args()
    world = ShopWorld.generate((options.products, options.products // 2), seed=0)
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out / "products.csv", "sku,title,brand,category,colour,price,sold", products(world.documents()))
    write(
        options.out / "clicks.csv",
        "search_id,visitor,time,query,product,rank,clicked",
        clicks(world, options.searches),
    )


if __name__ == "__main__":
    main()
