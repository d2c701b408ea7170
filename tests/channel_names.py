"""Channels of both sides by their names, as `text` or `text@encoder`."""

from alicorn.features import ChannelId


def document(name: str) -> ChannelId:
    return ChannelId.of_name("document", name)


def request(name: str) -> ChannelId:
    return ChannelId.of_name("request", name)
