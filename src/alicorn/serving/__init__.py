"""How is a collection searched from outside? By an HTTP API and a search page over the collection and its models.

app.py          create_app: what may be asked, and what answers it
operations.py   an operation: what it takes, gives and refuses; its route
openapi.py      the description of the API
process.py      serve: the process
ready.py        what is compiled before the first request
messages.py     bodies and answers, checked and encoded by msgspec
search_endpoint.py  a search request -> hits, and why they matched
in_common.py    what a searcher and a document have in common
documents.py    documents as JSON -> tables of a collection
guard.py        sizes, content types, and errors as JSON
metrics.py      counts and latencies for Prometheus
static/         the search page: one page, one style, one script
"""

from alicorn.serving.app import create_app as create_app
from alicorn.serving.process import serve as serve
