"""A collection that is served, its app, and a client of it."""

import contextlib

import pytest
from asgi_client import Client
from served_people import SEARCHERS, TEXT, UNIFIED, make_collection

from alicorn.feedback import ServedLog
from alicorn.serving import create_app


@pytest.fixture
def collection(tmp_path):
    with make_collection(tmp_path / "collection") as opened:
        yield opened


@pytest.fixture
def start():
    """Makes an app as create_app does, starts it, and shuts it down when the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(Client(create_app(*arguments, **options)))


@pytest.fixture
def client(collection, tmp_path, start):
    with ServedLog(tmp_path / "served") as log:
        yield start(collection, [TEXT, UNIFIED], searchers=SEARCHERS, served_log=log)
