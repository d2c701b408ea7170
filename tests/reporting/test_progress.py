"""A bar inside a bar is a line below it; both are gone at the end."""

import time
from io import StringIO

from rich.console import Console

from alicorn.reporting.progress import progress_bar


def test_a_bar_inside_another_is_drawn_below_it() -> None:
    screen, other = StringIO(), StringIO()
    with progress_bar(Console(file=screen, force_terminal=True, width=80), "publish") as advance:
        advance(1, 4)
        with progress_bar(Console(file=other, force_terminal=True, width=80), "encode texts") as advance_inner:
            advance_inner(2, 3)
            time.sleep(0.25)  # bars are drawn ten times a second
    last_seen = screen.getvalue()
    assert last_seen.index("publish") < last_seen.index("encode texts")
    assert "1/4" in last_seen
    assert "2/3" in last_seen
    assert other.getvalue() == ""
    with progress_bar(Console(file=other, force_terminal=True, width=80), "embed") as advance:
        advance(1, 2)
        time.sleep(0.25)
    assert "embed" in other.getvalue()
