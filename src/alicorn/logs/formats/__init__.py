"""How do other systems write their logs? Lines of JSON, into searches, shown and events, and out of them.

rest.py        what a record has beyond the columns of a table
ubi.py         OpenSearch's User Behavior Insights
metarank.py    Metarank's events
convert.py     files of lines -> a log folder, and back
"""

from alicorn.logs.formats.convert import export_ubi as export_ubi
from alicorn.logs.formats.convert import import_log as import_log
