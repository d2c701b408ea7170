"""A synchronous client of an app in this process, over httpx's ASGI transport; `with` starts it and shuts it down."""

import asyncio

import httpx


class Client:
    """Answers are the app's own, also where it fails: an exception in a route is a 500, as over a socket."""

    def __init__(self, app):
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self._lifespan = app.router.lifespan_context(app)

    def __enter__(self):
        self._runner.run(self._lifespan.__aenter__())
        return self

    def __exit__(self, *raised):
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def request(self, method, path, **arguments):
        return self._runner.run(self._client.request(method, path, **arguments))

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def post(self, path, **arguments):
        return self.request("POST", path, **arguments)

    def delete(self, path):
        return self.request("DELETE", path)
