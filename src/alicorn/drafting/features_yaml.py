"""features.yaml: what a ranker may know of a candidate, for `alicorn rank train`."""

from alicorn.config import flow_yaml
from alicorn.drafting.seen import Seen
from alicorn.drafting.vertical_yaml import UniqueNames, fields, is_stored, static_rank


def features_yaml(seen: Seen) -> str:
    """Every number that the vertical stores, and how query and document agree, in each field and in each short text."""
    lines = [
        "# Drafted by `alicorn init`: what `alicorn rank train` reads of a candidate (docs/ranking.md has every kind).",
        "features:",
        f"  cosine: {{kind: cosine, key: {seen.name}}}",
        "  words: {kind: bm25, prefix: text}",
        "  matched: {kind: matched, prefix: text}",
        "  query_words: {kind: query_words, prefix: text}",
    ]
    if static_rank(seen) is not None:
        lines.append("  static_rank: {kind: static_rank}")
    names = UniqueNames("cosine", "words", "matched", "query_words", "static_rank")
    lines += [f"  {names.of(f'{field}_words')}: {{kind: bm25, prefix: {field}}}" for field in fields(seen)]
    for one in seen.documents:
        if one.kind in ("text", "tags") and is_stored(one) and one.name in seen.evidence.searched:
            lines.append(f"  {names.of(f'{one.name}_similar')}: {{kind: similar, column: {flow_yaml(one.name)}}}")
        if one.kind in ("number", "flag", "time") and is_stored(one):
            lines.append(f"  {names.of(one.name)}: {{kind: column, column: {flow_yaml(one.name)}}}")
    return "\n".join(lines) + "\n"
