"""How is a server asked from a program? A typed client, with and without asyncio; needs httpx alone.

api.py        operations and messages, written by docs/reference/generate.py from the description of the API
connection.py sends a call, waits and tries again
tries.py      when to try again, and for how long to wait
"""

from alicorn.client.api import AsyncClient as AsyncClient
from alicorn.client.api import Client as Client
from alicorn.errors import ApiError as ApiError
