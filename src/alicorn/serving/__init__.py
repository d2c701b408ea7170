"""How is a collection searched from outside? By an HTTP API and a search page over the collection and its models.

app.py          create_app: what may be asked, and what answers it
api/            operations, messages, errors, and the description of the API
security/       who may ask what
limits/         how much is taken on at once, and for how long
models/         which models answer, and how another one takes over
process.py      serve: this process, or several
on_ray.py       the same server as an application of Ray Serve
settings.py     what a server serves, and to whom
processes/      an owner that writes, and processes that search
ready.py        what is compiled before the first request
background.py   work that nobody waits for, in bounds
sampling.py     recall and plans of some searches, answered again
logs.py         logs as lines of JSON, with the id of the request
metrics.py      counts and latencies for Prometheus
static/         the search page: one page, one style, one script
"""

from alicorn.serving.app import create_app as create_app
from alicorn.serving.process import serve as serve
