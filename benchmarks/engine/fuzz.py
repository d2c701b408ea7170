"""Does any text make the engine fail otherwise than by its own errors, or take long, or take much memory?

    python benchmarks/engine/fuzz.py [--inputs 1000000] [--seed 0]
    python benchmarks/engine/fuzz.py --guided [--inputs 1000000] [--corpus FOLDER]      coverage-guided, by atheris

Three kinds of text: expressions of the whole language with odd names and numbers; the same, broken in a few places; and
heaps of fragments. Checked of every text: `parse` gives a tree or a QueryError with an offset inside the text; the tree
is read back as it prints; `Collection.search` answers, or raises an AlicornError; no input takes longer than 5 s of
processor time, twice, as the first search may compile a loop; memory grows by less than 1 GB. What fails is printed
with its repr and ends the run.
The collection has a trained and an untrained key, three segments, a mutable layer, deleted documents, missing values.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FunctionType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa

MOST_S = 5.0
MOST_BYTES = 1_000_000_000
NUM_TRAINED, NUM_OTHERS = 10_000, 300

NUMBERS = [
    *("0", "1", "2", "-1", "10", "0.5", "1e-9", "1e9", "1e308", "1e309", "-0", "+7", ".5", "5.", "00010", "nan", "inf"),
    *("1000000000", "1000000001", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1_000", "٣"),
]
TERMS = [
    "tag:0",
    "tag:1",
    "tag:9",
    "text:john",
    "friend:d1",
    "nobody",
    '"a b"',
    '"\\""',
    "ｆｕｌｌ",
    "e\u0301",
    "é",
    "\u202e",
]
PREFIXES = ["t", "tag:", "text:jo", "friend:d1", '"tag:1"', "é"]
APPLIED = ["friend:", "tag:", '""', "nothing:"]
KEYS = ["x", "y", "x", "z", '"x"']
COLUMNS = ["price", "year", "friends", "best", "doc_id", "terms", "nothing", "static_rank"]
VECTORS = ["x", "y", "other", "wrong", "nothing"]
FRAGMENTS = [
    *(
        "(",
        ")",
        "((",
        "))",
        " ",
        "\n",
        '"',
        "\\",
        ":",
        "::",
        ": ",
        "\x00",
        "\u2028",
        "\ufeff",
        "\ud800",
        "\udc00",
        "()",
    ),
    *("(and ", "(or ", "(not ", "(difference ", "(nn ", "(range ", "(weak-and ", "(strong-or ", "(apply ", "(extract "),
    *(
        "(prefix ",
        "(phrase ",
        "(term ",
        ":slop ",
        ":k ",
        ":radius ",
        ":nprobe ",
        ":filter ",
        ":vector ",
        ":min ",
        ":max ",
        ":limit ",
    ),
    *(":optional-hits ", ":optional-weight ", "x", "tag:0", "a" * 200, "9" * 50, *NUMBERS),
]


def expression(rng: random.Random, depth: int) -> str:
    """An expression that is mostly valid, spelled in any way the language allows."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([_term, _term, _prefix, _phrase, _fuzzy, _range, _near])(rng)
    kind = rng.randrange(9)
    inner = [expression(rng, depth - 1) for _ in range(rng.randint(1, 4))]
    if kind == 0:
        nots = [f"(not {expression(rng, depth - 1)})" for _ in range(rng.randrange(2))]
        return f"(and {' '.join(inner + nots)})"
    if kind == 1:
        return f"(or {' '.join(inner)})"
    if kind == 2:
        return f"(difference {' '.join(inner)} {_term(rng)})"
    if kind in (3, 4):
        return _near(rng, f":filter {inner[0]}")
    if kind == 5:
        return f"(weak-and {' '.join(_marked(rng, part, ':optional-hits', ['1', '2', '1000']) for part in inner)})"
    if kind == 6:
        return f"(strong-or {' '.join(_marked(rng, part, ':optional-weight', ['0.1', '0.5', '1']) for part in inner)})"
    limit = f" :limit {_number(rng)}" if rng.random() < 0.3 else ""
    if kind == 7:
        return f"(apply {rng.choice(APPLIED)} {inner[0]}{limit})"
    return f"(extract {rng.choice(['friends', 'best', 'friends', rng.choice(COLUMNS)])} {inner[0]}{limit})"


def _term(rng: random.Random) -> str:
    return rng.choice([*TERMS, f"tag:{rng.randrange(12)}", f"(term tag:{rng.randrange(12)})"])


def _prefix(rng: random.Random) -> str:
    return f"(prefix {rng.choice(PREFIXES)})"


def _phrase(rng: random.Random) -> str:
    slop = f" :slop {_number(rng)}" if rng.random() < 0.5 else ""
    words = " ".join(rng.choices(["john", "smith", "nobody"], k=rng.choice([1, 2, 2, 3, 40])))
    return f"(phrase {rng.choice(['text', 'text', 'tag'])} {words}{slop})"


def _fuzzy(rng: random.Random) -> str:
    options = [f":edits {rng.choice(['1', '2', '3', _number(rng)])}"] if rng.random() < 0.6 else []
    if rng.random() < 0.3:
        options.append(f":terms {rng.choice(['1', '50', '100000', _number(rng)])}")
    return f"(fuzzy {rng.choice(['text:jon', 'text:smiht', 'tag:1', 'friend:d', *TERMS])} {' '.join(options)})"


def _range(rng: random.Random) -> str:
    ends = rng.sample([f":min {_number(rng)}", f":max {_number(rng)}"], rng.choice([1, 2, 2]))
    return f"(range {rng.choice(['price', 'year', rng.choice(COLUMNS)])} {' '.join(ends)})"


def _near(rng: random.Random, filter: str = "") -> str:
    options = [filter] if filter else []
    if filter or rng.random() < 0.5:
        options.append(f":k {rng.choice(['1', '10', '100', _number(rng)])}")
    else:
        options.append(f":radius {rng.choice(['0.1', '0.5', '1', '2', _number(rng)])}")
    looking = rng.random()
    if looking < 0.2:
        options.append(f":scan {rng.choice(['1', '500', _number(rng)])}")
    elif looking < 0.4:
        options.append(f":recall {rng.choice(['0.5', '0.95', '1', _number(rng)])}")
    elif looking < 0.6:
        options.append(f":nprobe {rng.choice(['1', '4', '1000000000', _number(rng)])}")
    if rng.random() < 0.2:
        options.append(f": vector {rng.choice(VECTORS)}")
    rng.shuffle(options)
    return f"(nn {rng.choice(KEYS)} {' '.join(options)})"


def _marked(rng: random.Random, part: str, option: str, values: list[str]) -> str:
    return f"({part} {option} {rng.choice(values)})" if rng.random() < 0.4 else part


def _number(rng: random.Random) -> str:
    return rng.choice(NUMBERS) if rng.random() < 0.2 else str(rng.choice([rng.randrange(3000), round(rng.random(), 3)]))


def broken(rng: random.Random, text: str) -> str:
    """The text with some places cut out, doubled, or filled with fragments."""
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(text) + 1)
        stop = min(len(text), start + rng.choice([0, 0, 1, 1, 3, 10]))
        text = text[:start] + rng.choice(["", text[start:stop] * 2, rng.choice(FRAGMENTS)]) + text[stop:]
    return text


def random_text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return expression(rng, rng.randint(0, 4))
    if kind < 0.8:
        return broken(rng, expression(rng, rng.randint(0, 3)))
    return "".join(rng.choices(FRAGMENTS, k=rng.randint(1, 20)))


def make_collection(folder: Path):
    """Documents that the expressions speak of. x, 8 dimensions, is trained; y, 3 dimensions, is not."""
    import alicorn

    rng = np.random.default_rng(3)
    collection = alicorn.Collection.create(folder, {"x": 8, "y": 3}, positions=["text"])

    def upsert(first: int, count: int, with_y: bool) -> None:
        numbers = np.arange(first, first + count)
        names = [[f"d{number}" for number in rng.integers(2 * NUM_TRAINED, size=rng.integers(4))] for _ in numbers]
        near_x = rng.standard_normal((count, 8)) + 3 * (numbers % 7)[:, None] * np.eye(8)[0]
        table = {
            "doc_id": [f"d{number}" for number in numbers],
            "terms": [
                [f"tag:{tag}" for tag in rng.integers(12, size=2)]
                + ["text:john", "text:smith", f"friend:d{number % 50}"]
                for number in numbers
            ],
            "embedding:x": pa.array(list(near_x.astype(np.float32)), pa.list_(pa.float32())),
            "price": pa.array([None if number % 10 == 0 else float(number % 100) for number in numbers]),
            "year": pa.array([1990 + int(number) % 40 for number in numbers]),
            "friends": pa.array(names, pa.list_(pa.string())),
            "best": pa.array([None if number % 3 else f"d{number // 2}" for number in numbers], pa.string()),
            "static_rank": pa.array((numbers % 5).astype(np.float64)),
        }
        near_y = [rng.standard_normal(3).astype(np.float32) if with_y and n % 4 else None for n in numbers]
        table["embedding:y"] = pa.array(near_y, pa.list_(pa.float32()))
        collection.upsert(pa.table(table))

    upsert(0, NUM_TRAINED, with_y=False)
    collection.flush()
    upsert(NUM_TRAINED - 100, NUM_OTHERS, with_y=True)
    collection.flush()
    upsert(NUM_TRAINED + NUM_OTHERS, NUM_OTHERS, with_y=True)
    collection.delete([f"d{number}" for number in range(0, NUM_TRAINED, 17)])
    return collection


class PromiseError(Exception):
    """The engine broke a promise; the message holds the input."""


def check(collection, text: str, rng: random.Random) -> str:
    """Parse and search one text. Returns how it ended; raises PromiseError where a promise is broken."""
    limit = rng.choice([0, 1, 10, 10, 10**12])
    order_by = rng.choice([None, None, None, *_ORDERS])
    facets = rng.choice([None, None, None, _facets()])
    for _ in range(2):  # a slow search may have compiled a loop: then it is asked again
        started = time.process_time()
        outcome = _ask(collection, text, limit, order_by, facets)
        if (took := time.process_time() - started) <= MOST_S:
            return outcome
    raise PromiseError(f"{took:.1f} s for {text!r}")


def _ask(collection, text: str, limit: int, order_by: Any, facets: Any) -> str:
    from alicorn.errors import AlicornError, QueryError
    from alicorn.language import parse

    outcome = "answered"
    try:
        try:
            tree = parse(text)
        except QueryError as error:
            if not 0 <= error.offset <= len(text) or not str(error).isprintable():
                raise PromiseError(f"offset {error.offset} or message of {text!r}: {error!r}") from error
            return "refused by parse"
        if parse(str(tree)) != tree:
            raise PromiseError(f"{text!r} prints as {tree}, which is read as another tree")
        try:
            collection.search(text, _VECTORS, limit, order_by, facets=facets)
        except AlicornError:
            outcome = "refused by search"
    except PromiseError:
        raise
    except BaseException as error:
        raise PromiseError(f"{type(error).__name__} for {text!r}, limit {limit}, order_by {order_by!r}") from error
    return outcome


_ORDERS = ("nn", "static_rank", "bm25", {"nn": 0.7, "bm25": 0.3}, "price", ["year desc", "bm25"])
_VECTORS = {"x": np.arange(1, 9), "y": [1, 0, 0], "other": -np.ones(8), "wrong": np.ones(5)}


def _facets():
    from alicorn.query import Facet

    return {"price": Facet("price", interval=7), "year": Facet("year", edges=(1999, 2010)), "tag": Facet(prefix="tag:")}


def run_random(collection, inputs: int, seed: int) -> Counter:
    rng = random.Random(seed)
    before = _peak_bytes()
    outcomes: Counter = Counter()
    started = time.perf_counter()
    for number in range(1, inputs + 1):
        outcomes[check(collection, random_text(rng), rng)] += 1
        if number % 100_000 == 0:
            print(f"{number:,} inputs, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    if (grown := _peak_bytes() - before) > MOST_BYTES:
        raise PromiseError(f"memory grew by {grown:,} bytes over {inputs:,} inputs")
    return outcomes


def run_guided(collection, inputs: int, seed: int, corpus: Path | None) -> None:
    """libFuzzer changes bytes towards new branches of the parser. It ends the process itself."""
    import atheris

    from alicorn.language import operators, parse, tokens, tree

    for module in (operators, sys.modules[parse.__module__], tokens, tree):
        for place in (module, *(kind for kind in vars(module).values() if isinstance(kind, type))):
            for function in vars(place).values():  # in place, and no others: Numba cannot compile instrumented code
                if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                    atheris.instrument_func(function)

    def one(data: bytes) -> None:
        if data[:1] < b"\x80":  # half of the inputs are fragments, one a byte
            text = "".join(FRAGMENTS[byte % len(FRAGMENTS)] for byte in data[1:200])
        else:
            text = data[1:].decode("utf-8", "surrogatepass" if len(data) % 2 else "replace")
        check(collection, text, random.Random(len(data)))

    def tolerant(data: bytes) -> None:
        try:
            one(data)
        except UnicodeDecodeError:  # the bytes, not the engine
            return

    options = [sys.argv[0], f"-runs={inputs}", f"-seed={seed + 1}", "-max_len=400", "-timeout=20", "-rss_limit_mb=4096"]
    atheris.Setup(options + ([str(corpus)] if corpus else []), tolerant)
    atheris.Fuzz()


def _peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true")
    parser.add_argument("--corpus", type=Path, help="inputs that reached new branches are kept here")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        collection = make_collection(Path(folder) / "collection")
        if parsed.guided:
            run_guided(collection, parsed.inputs, parsed.seed, parsed.corpus)
        outcomes = run_random(collection, parsed.inputs, parsed.seed)
        collection.close()
    print(f"{parsed.inputs:,} inputs: " + ", ".join(f"{count:,} {name}" for name, count in outcomes.most_common()))


if __name__ == "__main__":
    main()
