"""The world of sharded_world.py, made once."""

from collections.abc import Iterator

import pytest
from sharded_world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("sharded"))
    yield world
    world.close()
