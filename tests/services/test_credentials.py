"""Keys of services: each goes to its own hosts alone, over TLS, and is seen nowhere else; a wrong one is told well."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from digest.model.errors import ConfigError, FetchError
from digest.model.feeds import FetchRequest, SourceState, Validators
from digest.sources.asking.credentials import SERVICES, Credentials
from digest.sources.kinds import KINDS
from tests.services.recorded import Desk, Web, answer, feed, rss

SECRET = "s3cr3t&key=%"
HOSTS = (*(host for service in SERVICES.values() for host in service.hosts), "elsewhere.example")
KEYS = dict.fromkeys(SERVICES, (SECRET,)) | {"openreview": ("ada@example.org", "pass word")}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for all the services' hosts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "services")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def web(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web = Web(context)
    web.pages |= {host: lambda asked: answer(body=rss(1), ETag='"1"') for host in HOSTS}
    yield web
    web.stop()


@pytest.fixture
def fetcher(web, certificate):
    fetcher = web.fetcher(Credentials(lambda name: KEYS[name]), ssl.create_default_context(cafile=str(certificate)))
    yield fetcher
    fetcher.close()


@pytest.mark.parametrize(
    ("name", "url", "path", "header"),
    [
        ("openalex", "https://api.openalex.org/works", "/works?api_key=s3cr3t%26key%3D%25", None),
        ("openalex", "https://api.openalex.org/works?page=2", "/works?page=2&api_key=s3cr3t%26key%3D%25", None),
        ("ncbi", "https://eutils.ncbi.nlm.nih.gov/e?x=1", "/e?x=1&api_key=s3cr3t%26key%3D%25", None),
        ("semanticscholar", "https://api.semanticscholar.org/graph/v1/a", "/graph/v1/a", ("x-api-key", SECRET)),
        ("github", "https://api.github.com/repos/a/b", "/repos/a/b", ("authorization", f"Bearer {SECRET}")),
    ],
)
def test_each_service_gets_its_key_in_its_own_way(web, fetcher, name, url, path, header):
    got = fetcher.fetch(FetchRequest(url=url, credential=name, validators=Validators(etag='"0"')))
    (asked,) = web.log
    assert asked.path == path
    assert header is None or asked.headers[header[0]] == header[1]
    assert (got.url, got.body) == (url, rss(1))
    assert "s3cr3t" not in repr(got)


def test_a_key_goes_to_no_other_host_nor_over_an_open_line_nor_where_none_was_asked_for(web, fetcher):
    fetcher.fetch(FetchRequest(url="https://elsewhere.example/", credential="github"))
    fetcher.fetch(FetchRequest(url="https://api.github.com/", credential="openalex"))
    fetcher.fetch(FetchRequest(url="https://api.github.com/"))
    assert "s3cr3t" not in repr(web.log)
    open_line = Web()
    open_line.pages["api.github.com"] = lambda asked: answer(body=rss(1))
    mine = open_line.fetcher(Credentials(lambda name: KEYS[name]))
    mine.fetch(FetchRequest(url="http://api.github.com/", credential="github"))
    assert len(open_line.log) == 1 and "s3cr3t" not in repr(open_line.log)
    open_line.stop()


@pytest.mark.parametrize("name", ["openalex", "semanticscholar", "github"])
def test_after_a_redirect_to_another_host_the_key_stays_behind(web, fetcher, name):
    (host,) = SERVICES[name].hosts
    # A server that says back what it was asked, key and all.
    web.pages[host] = lambda asked: answer("301 Moved", Location=f"https://elsewhere.example{asked.path}")
    got = fetcher.fetch(FetchRequest(url=f"https://{host}/works?page=2", credential=name))
    assert web.log[0].host == host and "s3cr3t" in repr(web.log[0])
    assert web.log[1].path == "/works?page=2" and "s3cr3t" not in repr(web.log[1])
    assert got.moved_to == "https://elsewhere.example/works?page=2"
    assert "s3cr3t" not in repr(got)


def test_after_a_redirect_on_its_own_host_the_key_goes_along_once(web, fetcher):
    web.pages["api.openalex.org"] = lambda asked: (
        answer("301 Moved", Location=asked.path.replace("A1", "A2"))
        if "A1" in asked.path
        else answer(body=rss(1), Link=f"<https://api.openalex.org{asked.path}>; rel=self")
    )
    got = fetcher.fetch(FetchRequest(url="https://api.openalex.org/authors/A1", credential="openalex"))
    assert [one.path for one in web.log] == [f"/authors/A{n}?api_key=s3cr3t%26key%3D%25" for n in (1, 2)]
    assert got.moved_to == "https://api.openalex.org/authors/A2"
    assert "s3cr3t" not in repr(got)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_wrong_key_is_named_by_its_place_never_by_itself(web, fetcher, status):
    web.pages["api.openalex.org"] = lambda asked: answer(status, b"bad key " + asked.path.encode())
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(FetchRequest(url="https://api.openalex.org/works", credential="openalex"))
    assert caught.value.what == f"the server does not accept the key of [keys] openalex (HTTP {status[:3]})"
    assert "first line of its file" in caught.value.try_
    assert "s3cr3t" not in repr(vars(caught.value))


def test_without_a_key_the_service_is_asked_anonymously(web, certificate):
    fetcher = web.fetcher(Credentials(), ssl.create_default_context(cafile=str(certificate)))
    fetcher.fetch(FetchRequest(url="https://api.openalex.org/works", credential="openalex"))
    assert [one.path for one in web.log] == ["/works"]


def test_a_key_file_that_cannot_be_read_is_told_and_stops_only_its_source(store, web, certificate):
    def read(name: str) -> tuple[str, ...]:
        raise ConfigError("cannot be read: No such file", where="openalex-key", try_="check the path")

    fetcher = web.fetcher(Credentials(read), ssl.create_default_context(cafile=str(certificate)))
    keyed = replace(
        KINDS["feed"], plan=lambda source, now, since: (FetchRequest(url=source.url, credential="openalex"),)
    )
    desk = Desk(
        store,
        web,
        feed("works", kind="keyed", url="https://api.openalex.org/works"),
        feed("good", url="https://elsewhere.example/"),
        kinds={"keyed": keyed, "feed": KINDS["feed"]},
        fetch=fetcher.fetch,
    )
    told = desk.run()
    assert (told["works"].state, told["works"].detail) == (
        SourceState.BROKEN,
        "The key of [keys] openalex cannot be used: openalex-key: cannot be read: No such file. "
        "Write it into that file (the key is the whole first line), or take openalex out of [keys].",
    )
    assert told["good"].state is SourceState.OK


class TestLogin:
    def pages(self, web, tokens):
        """Gives a new token at each login, and accepts the newest that still holds."""

        def page(asked):
            if asked.path == "/login":
                if json.loads(asked.body) != {"id": "ada@example.org", "password": "pass word"}:
                    return answer("400 Bad Request")
                tokens.append(f"token-{len(tokens) + 1}")
                return answer(body=json.dumps({"token": tokens[-1], "user": {}}).encode())
            good = tokens and asked.headers.get("authorization") == f"Bearer {tokens[-1]}"
            return answer(body=rss(1)) if good else answer("401 Unauthorized")

        web.pages["api2.openreview.net"] = page

    def test_a_login_gives_a_token_that_is_used_until_it_is_refused(self, web, fetcher):
        tokens: list[str] = []
        self.pages(web, tokens)
        request = FetchRequest(url="https://api2.openreview.net/notes?a=1", credential="openreview")
        fetcher.fetch(request)
        fetcher.fetch(request)
        assert [one.path for one in web.log] == ["/login", "/notes?a=1", "/notes?a=1"]
        tokens.append("of somebody else")  # the one we have is no longer good
        fetcher.fetch(request)
        assert [one.path for one in web.log[3:]] == ["/notes?a=1", "/login", "/notes?a=1"]

    def test_a_wrong_password_is_told_as_such(self, web, certificate):
        self.pages(web, [])
        wrong = Credentials(lambda name: ("ada@example.org", "wrong"))
        fetcher = web.fetcher(wrong, ssl.create_default_context(cafile=str(certificate)))
        with pytest.raises(FetchError) as caught:
            fetcher.fetch(FetchRequest(url="https://api2.openreview.net/notes", credential="openreview"))
        assert caught.value.what == "the server does not accept the login of [keys] openreview (HTTP 400)"
        assert [one.path for one in web.log] == ["/login"]
        assert "wrong" not in str(caught.value)

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"token": 5}'])
    def test_an_answer_without_a_token_is_named(self, web, fetcher, body):
        web.pages["api2.openreview.net"] = lambda asked: answer(body=body)
        with pytest.raises(FetchError, match="no field `token`"):
            fetcher.fetch(FetchRequest(url="https://api2.openreview.net/notes", credential="openreview"))

    def test_a_file_with_one_line_has_no_password(self, web, certificate):
        fetcher = web.fetcher(Credentials(lambda name: ("ada",)), ssl.create_default_context(cafile=str(certificate)))
        with pytest.raises(FetchError, match="has no password"):
            fetcher.fetch(FetchRequest(url="https://api2.openreview.net/notes", credential="openreview"))


def test_a_key_that_would_break_a_header_is_refused_without_being_shown(web, certificate):
    fetcher = web.fetcher(
        Credentials(lambda name: ("s3cr3t\x07é",)), ssl.create_default_context(cafile=str(certificate))
    )
    with pytest.raises(FetchError, match="holds what no key is made of") as caught:
        fetcher.fetch(FetchRequest(url="https://api.github.com/", credential="github"))
    assert "s3cr3t" not in str(caught.value)
    assert web.log == []
