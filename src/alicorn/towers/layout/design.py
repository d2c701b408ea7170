"""What a recipe builds over a vertical, before any weight: settings, layout, and how rows become numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alicorn.config import parse_config
from alicorn.features import Featurizer, Standardization, TextEncoder
from alicorn.features.channel_id import SIDES, Side
from alicorn.towers.layout.layout import Layout, layout
from alicorn.towers.settings.towers import Towers
from alicorn.vertical import Vertical


@dataclass(frozen=True)
class Design:
    """recipe: plain data, with the size of every table, so that it means the same where defaults change."""

    recipe: Mapping[str, Any]
    towers: Towers
    layout: Layout
    featurizers: Mapping[Side, Featurizer]

    @classmethod
    def of(
        cls,
        vertical: Vertical,
        recipe: Mapping[str, Any],
        standardizations: Mapping[str, Any],
        encode_texts: bool = True,
    ) -> "Design":
        """recipe: `towers` is read here. encode_texts: False leaves the recipe's pretrained text encoder out, which
        needs packages of its own. Raises ConfigError."""
        towers = parse_config(dict(recipe["towers"]), Towers, where="recipe, towers")
        laid_out = layout(towers, vertical)
        towers = towers.model_copy(update={"tables": {**towers.tables, **laid_out.tables}})
        encoder = TextEncoder(towers.encoder) if towers.encoder and encode_texts else None
        featurizers = {
            side: _featurizer(side, towers, laid_out, standardizations.get(side, {}), encoder) for side in SIDES
        }
        return cls({**recipe, "towers": towers.model_dump(mode="json")}, towers, laid_out, featurizers)


def _featurizer(
    side: Side, towers: Towers, laid_out: Layout, standardizations: Mapping[str, Any], encoder: TextEncoder | None
) -> Featurizer:
    given = laid_out.half(side)
    numbers = {
        name: parse_config(dict(values), Standardization, where=f"standardization of {name}")
        for name, values in standardizations.items()
    }
    return Featurizer(
        side,
        given.features,
        laid_out.buckets(side),
        towers.text,
        numbers,
        given.encoded,
        encoder,
        given.granular,
        given.ordered,
    )
