"""Non-click impressions: shown, not chosen, in a search that has a click.

They look like the right answer and are not. Alone they are bad negatives: recall for people falls by about 55 %
(EBR 2.4), because most documents of an index are nowhere near. Use them in a later, harder stage.
"""

import ibis
from ibis import _


def non_clicks(shown: ibis.Table) -> ibis.Table:
    """The pairs of `positives.shown` that were not chosen, of searches where another one was."""
    with_click = shown.filter(_.grade > 0).select("session_id").distinct()
    return shown.filter(_.grade == 0).semi_join(with_click, "session_id")
