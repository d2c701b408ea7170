"""What do people say? What was served and what came of it, as log tables that `alicorn mine` reads. Before serving/.

served.py       a search that was served, an event that was reported, and the tables that they become
journal.py      what is in no part file yet, kept over a crash
choices.py      which documents a searcher chose for which words, remembered for some days
recent.py       the newest searches of a log, and what was clicked
exploration.py  neighbours of a page swapped with a known probability
served_log.py   searches and events -> the tables `searches`, `shown` and `events`
replay.py       a served log scored again, to the last bit
"""

from alicorn.feedback.served import ServedEvent as ServedEvent
from alicorn.feedback.served import ServedSearch as ServedSearch
from alicorn.feedback.served_log import ServedLog as ServedLog
from alicorn.feedback.served_log import new_search_id as new_search_id
