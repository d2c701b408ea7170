"""Is the shop world like the assumptions of docs/shop-world.md, and how long does it take to make?

    python benchmarks/effects/shop_world.py [--size small|medium] [--seed 0] [--out DIR] [--json FILE]

Prints seconds of each stage and the measured properties that docs/shop-world.md quotes; with --out, DIR/logs and
DIR/pairs stay. The production engine is the vertical's Boolean expression by popularity, without nn. A simulation.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from lab.production import production_engine
from lab.shop_properties import shop_properties

from alicorn import Collection, Vertical, mine
from alicorn.worlds import SHOP_SIZES, SHOP_VERTICAL, ShopWorld


def write_shop(folder: Path, size: str, seed: int) -> tuple[ShopWorld, dict[str, float]]:
    """Generate a world and write folder/logs and folder/pairs. Returns it and seconds."""
    vertical, times = Vertical.load(SHOP_VERTICAL), [time.perf_counter()]
    world = ShopWorld.generate(size, seed)
    times.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as temporary, Collection.create(Path(temporary) / "production") as production:
        production.upsert(vertical.index_table(world.documents()))
        times.append(time.perf_counter())
        asked: list[float] = []
        engine = production_engine(production, vertical, asked)
        world.write_logs(folder / "logs", SHOP_SIZES[size][2], engine)
        times.append(time.perf_counter())
    mine(folder / "logs", vertical, folder / "pairs")
    times.append(time.perf_counter())
    stages = ("generate", "publish to the production engine", "write logs", "mine, with behaviour")
    seconds = {f"seconds: {stage}": b - a for stage, a, b in zip(stages, times, times[1:], strict=False)}
    return world, seconds | {"seconds: of writing logs, the engine": sum(asked)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SHOP_SIZES), default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep logs and pairs in this folder")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        world, figures = write_shop(folder, arguments.size, arguments.seed)
        figures |= shop_properties(world, folder / "logs")
    for name, value in figures.items():
        print(f"{name:66s} {value:>14,.0f}" if value == int(value) else f"{name:66s} {value:>14.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"size": arguments.size, "seed": arguments.seed, **figures}, indent=1))


if __name__ == "__main__":
    main()
