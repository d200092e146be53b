"""fetch: which machines are contacted. A resolver and a dialler of the test's own stand for the outside world."""

from __future__ import annotations

import socket

import pytest

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest
from digest.sources.asking.fetch import Fetcher
from tests.sources.servers import answer

PUBLIC = "93.184.215.14"
FEED = b"<rss version='2.0'><channel><title>t</title></channel></rss>"


class World:
    """``names`` are answered one after the other, the last for ever; ``machines`` say where an address really leads."""

    def __init__(self, names: dict[str, list[list[str]]], machines: dict[str, int]) -> None:
        self.names, self.machines = names, machines
        self.asked: list[str] = []
        self.dialled: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.names:
            return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def dial(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.dialled.append(address[0])
        if address[0] not in self.machines:
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.create_connection(("127.0.0.1", self.machines[address[0]]), timeout)

    def fetcher(self) -> Fetcher:
        return Fetcher("", timeout=2, deadline=5, resolve=self.resolve, dial=self.dial)


def error_of(fetcher: Fetcher, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(FetchRequest(url=url))
    return caught.value


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"],
)
def test_an_inner_address_is_refused_however_it_is_spelt_and_the_way_out_is_named(host):
    world = World({}, {})
    error = error_of(world.fetcher(), f"http://{host}:8080/feed")
    assert "is not a public address" in error.what
    assert "allow_private" in error.try_
    assert world.dialled == []


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/", "http://169.254.169.254/latest/", "http://[::ffff:7f00:1]/", "http://inner.example/"],
)
def test_a_redirect_to_an_inner_address_is_refused(serve, target):
    server = serve(answer("302 Found", {"Location": target}))
    world = World({"feed.example": [[PUBLIC]], "inner.example": [["10.0.0.7"]]}, {PUBLIC: server.port})
    assert "is not a public address" in error_of(world.fetcher(), "http://feed.example/").what
    assert world.dialled == [PUBLIC]


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/", "http://other.example/", "http://10.0.0.9/"])
def test_leave_for_one_host_of_the_own_network_is_no_leave_for_others(serve, target):
    server = serve(answer("302 Found", {"Location": target}))
    world = World({"lab.example": [["10.0.0.7"]], "other.example": [["10.0.0.8"]]}, {"10.0.0.7": server.port})
    with pytest.raises(FetchError, match="is not a public address"):
        world.fetcher().fetch(FetchRequest(url="http://lab.example/", allow_private=True))
    assert world.dialled == ["10.0.0.7"]


def test_leave_for_a_host_holds_on_its_own_redirects(serve):
    server = serve({"/": answer("302 Found", {"Location": "/next"}), "/next": answer("200 OK", {}, FEED)})
    world = World({"lab.example": [["10.0.0.7"]]}, {"10.0.0.7": server.port})
    assert world.fetcher().fetch(FetchRequest(url="http://lab.example/", allow_private=True)).body == FEED


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fe80::1%eth0"])
def test_where_clouds_keep_their_secrets_nobody_is_led_with_leave_either(address):
    world = World({"lab.example": [[address]]}, {})
    with pytest.raises(FetchError, match="is not a public address"):
        world.fetcher().fetch(FetchRequest(url="http://lab.example/", allow_private=True))
    assert world.dialled == []


def test_a_name_is_resolved_once_and_the_judged_address_is_the_one_dialled(serve):
    server = serve(answer("200 OK", {}, FEED))
    world = World({"feed.example": [[PUBLIC], ["127.0.0.1"]]}, {PUBLIC: server.port})
    assert world.fetcher().fetch(FetchRequest(url="http://feed.example/")).body == FEED
    assert (world.asked, world.dialled) == (["feed.example"], [PUBLIC])


def test_a_name_that_turns_inwards_at_the_redirect_is_refused(serve):
    server = serve(answer("302 Found", {"Location": "http://feed.example/next"}))
    world = World({"feed.example": [[PUBLIC], ["127.0.0.1"]]}, {PUBLIC: server.port})
    assert "is not a public address (127.0.0.1)" in error_of(world.fetcher(), "http://feed.example/").what


def test_of_a_mixed_answer_only_public_addresses_are_dialled_until_one_answers(serve):
    server = serve(answer("200 OK", {}, FEED))
    world = World({"feed.example": [["10.0.0.1", "93.184.215.13", PUBLIC]]}, {PUBLIC: server.port})
    assert world.fetcher().fetch(FetchRequest(url="http://feed.example/")).body == FEED
    assert world.dialled == ["93.184.215.13", PUBLIC]


def test_a_name_without_an_address_is_named():
    error = error_of(Fetcher(""), "http://nowhere.invalid/feed")
    assert error.what == "the name nowhere.invalid cannot be resolved"
    assert (error.http_status, error.where) == (None, "http://nowhere.invalid/feed")
