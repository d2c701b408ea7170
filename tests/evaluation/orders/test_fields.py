"""Fields are those that a text's words can be looked for in; the search finds the weights that a value prefers."""

from collections.abc import Mapping
from typing import Any

from alicorn.evaluation.orders.fields import fields_of, search_fields
from alicorn.vertical import Vertical


def vertical(terms: list[tuple[str, str]], analysis: dict[str, Any] | None = None) -> Vertical:
    return Vertical.model_validate(
        {
            "name": "shop",
            "embedding": "shop",
            "document": {
                "features": {"title": {"kind": "text", "column": "title"}},
                "terms": [{"prefix": prefix, "column": column, "kind": "words"} for prefix, column in terms],
            },
            "request": {"features": {"text": {"kind": "text", "column": "query"}}},
            "split": {"valid": 0.1},
            "analysis": analysis or {},
        }
    )


def test_a_field_is_a_prefix_that_is_analysed_as_text_and_text_where_it_has_more() -> None:
    both = [("text", "title"), ("text", "story"), ("title", "title"), ("story", "story")]
    assert fields_of(vertical(both)) == ("title", "story")
    assert fields_of(vertical(both[:3])) == ("title", "text")
    assert fields_of(vertical(both, {"text": {"positions": True, "stop_words": ["the"]}})) == ("title", "story")
    assert fields_of(vertical(both, {"text": {"stem": "english"}, "title": {"stem": "english"}})) == ("title", "text")
    assert fields_of(vertical(both, {"text": {"stem": "english"}})) == ()
    assert fields_of(vertical([("text", "title")])) == ()


def test_the_weights_that_are_worth_most_are_found_and_a_field_that_harms_is_left_out() -> None:
    def value(weights: Mapping[str, float]) -> float:
        if not weights:
            return -10.0
        return -abs(weights.get("title", 0) - 4) - abs(weights.get("story", 0) - 0.5) - weights.get("noise", 0)

    trials = list(search_fields(["title", "story", "noise"], value))
    assert trials[0].weights == {}
    assert max(trials, key=lambda one: one.value).weights == {"title": 4.0, "story": 0.5}
    assert all(0 not in one.weights.values() for one in trials)
    assert len({str(sorted(one.weights.items())) for one in trials}) > 15
