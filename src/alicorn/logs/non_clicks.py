"""Non-click impressions: shown, not chosen, in a search that has a click.

They look like the right answer and are not, and alone they make bad negatives: about 55% less recall for people
(papers.md 1.3), because the index is full of documents that are not even near. They are for the later, harder stage.
"""

import ibis
from ibis import _


def non_clicks(shown: ibis.Table) -> ibis.Table:
    """The pairs of `positives.shown` that were not clicked, of searches where another one was."""
    with_click = shown.filter(_.clicked).select("session_id").distinct()
    return shown.filter(~_.clicked).semi_join(with_click, "session_id")
