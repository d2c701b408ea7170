"""`alicorn evaluate --report`: what a model learned, and how far to trust it, on one HTML page that opens offline.

Everything is inside the file: style and charts (inline SVG), no script. The same model, searches and seed give the same
bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.bootstrap import CONFIDENCE
from alicorn.evaluation.reports.comparison_report import SIMULATION
from alicorn.evaluation.reports.page import sections
from alicorn.evaluation.reports.page.embedding_map import check_column
from alicorn.evaluation.reports.page.examples import Encoded, wrong_and_right
from alicorn.evaluation.reports.page.sections import MeasuredModel
from alicorn.evaluation.reports.recall import EXACT
from alicorn.evaluation.searches import Searches
from alicorn.towers import Ensemble

if TYPE_CHECKING:
    from jinja2 import Environment


def check_page(path: Path, searches: Searches, map_by: str | None) -> None:
    """Raise ConfigError where the file cannot be written, or documents have no column to colour the map by."""
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: give a file to write, in a folder that exists")
    if map_by is not None:
        check_column(searches.documents, map_by)


def model_page(measured: MeasuredModel) -> str:
    """The whole document."""
    model, searches = measured.model, measured.searches
    measures = measured.recall.comparison.measures
    middle = measures[len(measures) // 2]
    k = int(middle.partition("@")[2])
    encoded = Encoded(
        measured.recall.runs[EXACT],
        model.encode_requests(searches.requests),
        model.encode_documents(searches.documents),
    )
    kind = f"Ensemble of {len(model.members)} models" if isinstance(model, Ensemble) else "Two-tower model"
    return (
        page_templates()
        .get_template("page.html.jinja")
        .render(
            title=f"{model.vertical.name} / {model.key}",
            kind=kind,
            dim=model.dim,
            facts=measured.recall.facts,
            simulated=SIMULATION if searches.simulated else None,
            measure=middle,
            k=k,
            confidence=f"{CONFIDENCE:.0%}",
            tiles=sections.tiles(measured.recall),
            provenance=sections.provenance(measured),
            recipes=sections.recipes(model),
            training=sections.training(measured),
            segments=sections.segments(measured.recall.comparison, middle),
            index=sections.index(measured.recall, middle),
            features=sections.features(measured.ablation, middle),
            channels=sections.channels(measured),
            pairs=wrong_and_right(searches, encoded, model.vertical, k, seed=measured.seed),
            map=sections.document_map(measured, encoded.documents),
        )
    )


def page_templates() -> Environment:
    """The templates of the page: every value is escaped, and one that is missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("alicorn.evaluation.reports.page")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
