"""What does a collection need: shards, replicas, machines, memory, and how long are its answers?

cost.py    what a request and a document cost, measured on small collections, and the rule for more
queues.py  response times of servers that are asked at random, of the slowest of many shards, with hedged requests
plan.py    machines for a number of documents and a rate of requests
"""

from alicorn.distributed.planning.cost import Cost as Cost
from alicorn.distributed.planning.cost import PlannedSearch as PlannedSearch
from alicorn.distributed.planning.cost import measured_cost as measured_cost
from alicorn.distributed.planning.plan import Deployment as Deployment
from alicorn.distributed.planning.plan import Machine as Machine
from alicorn.distributed.planning.plan import Target as Target
from alicorn.distributed.planning.plan import plan as plan
