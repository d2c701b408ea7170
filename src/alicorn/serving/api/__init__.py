"""What may be asked over HTTP, in which words, and what answers it?

messages.py     bodies and answers, checked and encoded by msgspec
body.py         media types and sizes of bodies
problems.py     failures as application/problem+json
operations.py   an operation: what it takes, gives and refuses; its route
openapi.py      the description of the API
in_common.py    what a searcher and a document have in common
search_endpoint.py  a search request -> hits, and why they matched
documents.py    documents as JSON -> tables of a collection
bulk.py         documents as lines of JSON or an Arrow stream, errors by row
search_operations.py    searches, analysis, clicks
document_operations.py  documents read, added, changed, deleted
status_operations.py    what is served, health, metrics
"""
