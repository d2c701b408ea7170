"""What exports call the columns of a log: names of the contract -> names seen elsewhere, in the order of preference."""

import re
from collections.abc import Iterable, Mapping, Sequence

OTHER_NAMES: Mapping[str, Sequence[str]] = {
    "doc_id": (
        *("doc_id", "document_id", "docid", "sku", "product_id", "item_id", "asin", "article_id", "movie_id"),
        *("listing_id", "place_id", "page_id", "post_id", "object_id", "track_id", "video_id", "job_id", "recipe_id"),
        *("document", "product", "item", "article", "listing", "pid", "id", "key", "code", "uuid", "handle", "url"),
    ),
    "searcher_id": (
        *("searcher_id", "user_id", "visitor_id", "customer_id", "client_id", "member_id", "account_id"),
        *("searcher", "user", "visitor", "customer", "client", "member", "uid", "who"),
    ),
    "search_id": ("search_id", "query_id", "request_id", "qid", "impression_id"),
    "session_id": ("session_id", "session", "visit_id", "visit"),
    "time": (
        *("time", "timestamp", "datetime", "date", "ts", "event_time", "searched_at", "created_at", "at"),
        *("search_time", "query_time", "clicked_at", "server_time", "unix_time", "epoch", "created", "when"),
    ),
    "query": (
        *("query", "search_query", "query_text", "user_query", "search_term", "search_terms", "searchterm"),
        *("search_text", "search_phrase", "keywords", "keyword", "term", "q", "search", "phrase"),
    ),
    "position": ("position", "rank", "pos", "place", "slot", "result_position", "click_position"),
    "clicked": ("clicked", "click", "is_click", "is_clicked", "was_clicked", "clicks"),
    "grade": ("grade", "relevance", "judgement", "judgment", "label", "gain", "relevance_grade", "rating"),
    "weight": ("weight", "row_weight"),
    "action": ("action", "action_name", "event", "event_type", "event_name", "type"),
    "kind": ("kind", "action", "event", "event_type", "type"),
    "event_id": ("event_id",),
    "seen": ("seen", "is_seen", "viewed"),
    "segment": ("segment", "segments"),
}
POPULAR = re.compile(
    r"(^|_)(static_rank|sold|sales?|popularity|popular|views?|visits?|clicks?|orders?|purchases?|bought|downloads?|plays?|votes?|"
    r"favou?rites|likes|friends|followers|population|(num|number|count)_(of_)?(reviews|ratings)|reviews?_count|ratings?_count|"
    r"reviews)(_|$)"
)
"""Columns of numbers that are greater the more people want a document."""


def plain_name(column: str) -> str:
    """`movieId`, `Movie ID` and `movie-id` are `movie_id`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip())
    return re.sub(r"[\W_]+", "_", spaced.casefold()).strip("_")


def called(role: str, columns: Iterable[str]) -> list[str]:
    """The columns that may be the contract's `role`, the likeliest first."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(plain_name(column), column)
    return [by_name[name] for name in OTHER_NAMES[role] if name in by_name]
