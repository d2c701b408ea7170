"""What would vertical.yaml be for these tables? A first draft, with a comment on every guess.

names.py         what exports call the columns of a log
own_tables.py    which table of an export is which, and which of its columns are the contract's
log_folder.py    an export as a log folder
profiles.py      what the values of a column look like
evidence.py      where the words of queries are found in what was chosen; the language of both
seen.py          all that is known of the tables
vertical_yaml.py, features_yaml.py    guesses as lines of YAML, each with its reason
draft.py         the files
"""

from alicorn.drafting.draft import Draft as Draft
from alicorn.drafting.draft import draft as draft
