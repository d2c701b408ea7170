"""How does a table come in? One front door for every table, whatever wrote it; docs/tables.md is its page.

plain.py        one type for all encodings of a type, and the types that no column may have
times.py        times that an answer can show
times_96.py     times of 96 bits in Parquet, which are read as microseconds
unify.py        one type for two: part files that differ, columns whose type no value has decided yet
csv_files.py    CSV, whose types are in its values
parts.py        a Parquet or CSV file, or a folder of part files, as one table
row_groups.py   the rows of a Parquet file, a batch at a time, in memory that does not grow
keys.py         keys that an earlier row has already
values.py       values as Python has them
strict_json.py  JSON text, strictly
from_json.py    JSON values as a column of a type, exactly
notes.py        what a person should know about how a table was read
"""

from alicorn.tables.from_json import array_of_json as array_of_json
from alicorn.tables.keys import repeated as repeated
from alicorn.tables.notes import note as note
from alicorn.tables.notes import noted as noted
from alicorn.tables.parts import PartFiles as PartFiles
from alicorn.tables.parts import open_parts as open_parts
from alicorn.tables.parts import read_table as read_table
from alicorn.tables.plain import one_chunk as one_chunk
from alicorn.tables.plain import plain_schema as plain_schema
from alicorn.tables.plain import plain_table as plain_table
from alicorn.tables.plain import plain_type as plain_type
from alicorn.tables.row_groups import row_batches as row_batches
from alicorn.tables.strict_json import JsonError as JsonError
from alicorn.tables.strict_json import parse_json as parse_json
from alicorn.tables.unify import concatenated as concatenated
from alicorn.tables.unify import is_open as is_open
from alicorn.tables.values import python_values as python_values
