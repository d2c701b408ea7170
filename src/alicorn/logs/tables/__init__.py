"""What is in a log folder? Its tables, found, checked and joined.

contract.py      the columns of each table; which tables make a log
outcomes.py      searches, shown and events -> the impressions and the activity that they tell of
checks.py        what each table promises, checked by queries before any work
reading.py       the log folder: finding and reading the tables; Logs
fingerprint.py   which data was this?
"""

from alicorn.logs.tables.fingerprint import data_fingerprint as data_fingerprint
from alicorn.logs.tables.outcomes import CLICK as CLICK
from alicorn.logs.tables.reading import MEMORY_LIMIT as MEMORY_LIMIT
from alicorn.logs.tables.reading import Logs as Logs
from alicorn.logs.tables.reading import read_logs as read_logs
