"""A synchronous client of an app in this process, over httpx's ASGI transport; `with` starts it and shuts it down.

The app runs on an event loop of its own thread, which several threads may ask.

Every answer is compared with the app's own description of itself: a status that is not documented fails the test.
"""

import asyncio
import re
import threading

import httpx


class Client:
    """Answers are the app's own, also where it fails: an exception in a route is a 500, as over a socket."""

    def __init__(self, app):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self._lifespan = app.router.lifespan_context(app)
        self._documented = {}

    def __enter__(self):
        self._thread.start()
        self.state = self.run(self._lifespan.__aenter__())
        paths = self.run(self.client.get("/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            pattern = re.compile(re.sub(r"\{\w+\}", ".+", path))
            self._documented[pattern] = {
                method.upper(): set(found["responses"]) for method, found in operations.items()
            }
        return self

    def __exit__(self, *raised):
        self.run(self._lifespan.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine):
        """What it returns, on the event loop of the app; of requests at the same time, by `client`."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def request(self, method, path, **arguments):
        answer = self.run(self.client.request(method, path, **arguments))
        for pattern, operations in self._documented.items():
            if method in operations and pattern.fullmatch(answer.request.url.path):
                assert str(answer.status_code) in operations[method], f"{method} {path}: undocumented {answer}"
        return answer

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def post(self, path, **arguments):
        return self.request("POST", path, **arguments)

    def patch(self, path, **arguments):
        return self.request("PATCH", path, **arguments)

    def delete(self, path, **arguments):
        return self.request("DELETE", path, **arguments)


def search(client, **request):
    """The answer to a search that succeeds."""
    answer = client.post("/v1/search", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client, status=400, path="/v1/search", **request):
    """The answer to a request that is refused with this status."""
    answer = client.post(path, json=request)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def ids(answer):
    return [hit["doc_id"] for hit in answer["hits"]]
