"""Finding, reading and refusing configuration files."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from digest.config import find, load, read_secret
from digest.model.editions import Digest, Look, Schedule, WhenEmpty
from digest.model.errors import ConfigError, UsageError
from digest.model.feeds import Source, SourceId
from digest.model.mail import Sender
from digest.model.people import Mutes, Profile, Weights

MINIMAL = '[mail]\nfrom = "digest@example.org"\n'

WHOLE = """\
[database]
url = "data/papers.db"

[mail]
from = "Morning Papers <papers@example.org>"
reply_to = "editor@example.org"
postal_address = "1 Main Street"
alerts_to = "ops@example.org"

[smtp]
host = "mail.example.org"
username = "papers"
password_file = "secret/smtp"
domain_rates = { "example.com" = 0.5 }

[web]
public_url = "https://papers.example.org/"

[[source]]
id = "hf"
kind = "huggingface"
every = "30m"

[[source]]
id = "blog"
url = "feeds/blog.xml"

[[digest]]
name = "daily"
sources = ["hf"]
send_at = "06:30"
timezone = "Europe/Berlin"
days = ["Friday", "mon"]
window = 2.5
when_empty = "best-of"
language = "DE_at"
accent = "#0AF"
logo = " Example Labs "
header = "What we look at."
footer = "Ask at the desk."
categories = { cs.CL = 2, "cs.LG" = 1 }
keywords = ["speech  synthesis", "speech synthesis"]
mute = ["survey"]
weights = { trend = 70, people = 30 }
max_items = 10
min_score = 0
layout = "brief"
"""


def written(folder: Path, text: str, name: str = "config.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), environ or {})
    return caught.value


def test_a_whole_file_becomes_the_model(tmp_path):
    config = load(written(tmp_path, WHOLE), {})
    assert config.sources == (
        Source(id=SourceId("hf"), kind="huggingface", every=timedelta(minutes=30)),
        Source(id=SourceId("blog"), kind="feed", url=str(tmp_path / "feeds/blog.xml")),
    )
    assert config.digests == (
        Digest(
            name="daily",
            title="daily",
            list_id="daily.example.org",
            sources=(SourceId("hf"),),
            schedule=Schedule(send_at=time(6, 30), timezone="Europe/Berlin", days=(0, 4)),
            window=timedelta(days=2.5),
            when_empty=WhenEmpty.BEST_OF,
            profile=Profile(
                categories=(("cs.CL", 2.0), ("cs.LG", 1.0)),
                keywords=("speech synthesis",),
                mute=Mutes(anything=("survey",)),
                weights=Weights(trend=70, topic=0, people=30, novelty=0),
                max_items=10,
                min_score=0,
                layout="brief",
                language="de-AT",
            ),
            expire_after=timedelta(hours=36),
            look=Look(accent="#00aaff", logo="Example Labs", header="What we look at.", footer="Ask at the desk."),
        ),
    )
    assert config.sender == Sender(
        from_name="Morning Papers",
        from_address="papers@example.org",
        reply_to="editor@example.org",
        postal_address="1 Main Street",
        unsubscribe_address="papers@example.org",
        public_url="https://papers.example.org",
    )
    assert config.database_url == f"sqlite:///{tmp_path / 'data/papers.db'}"
    assert config.mail.alerts_to == ("ops@example.org",)
    assert config.fetch.contact == "papers@example.org"
    (relay,) = config.relays
    assert (relay.password_file, relay.port_used) == (tmp_path / "secret/smtp", 587)
    assert relay.domain_rates == {"example.com": 0.5}


def test_a_sender_is_all_that_must_be_given(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    assert config.database_url == f"sqlite:///{tmp_path / 'digest.db'}"
    assert (config.sources, config.digests) == ((), ())
    assert config.web.bind == "127.0.0.1:8025"


def test_relays_may_be_several_in_order(tmp_path):
    text = MINIMAL + '[[smtp]]\nhost = "one"\nsecurity = "tls"\n[[smtp]]\ntransport = "lmtp"\nhost = "two"\n'
    assert [(r.host, r.port_used) for r in load(written(tmp_path, text), {}).relays] == [("one", 465), ("two", 24)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///here.db", "sqlite:///{folder}/here.db"),
        ("sqlite:////var/lib/digest.db", "sqlite:////var/lib/digest.db"),
        ("postgres://me:pw@db/papers", "postgresql+psycopg://me:pw@db/papers"),
        ("postgresql+psycopg://db/papers", "postgresql+psycopg://db/papers"),
    ],
)
def test_a_database_url_is_completed(tmp_path, url, expected):
    config = load(written(tmp_path, f'{MINIMAL}[database]\nurl = "{url}"\n'), {})
    assert config.database_url == expected.format(folder=tmp_path)
    assert "pw@db" not in repr(config)


@pytest.mark.parametrize(
    ("added", "line", "what", "try_"),
    [
        ("[web]\nbnd = 'x:1'", 4, "[web] bnd is not known", 'did you mean "bind"?'),
        ("[sources]\nid = 'x'", 3, "sources is not known", 'did you mean "source"?'),
        ("[web]\nenabled = 'maybe'", 4, "[web] enabled should be true or false", ""),
        ("[smtp]\nport = 'http'", 4, "[smtp] port should be a whole number", ""),
        ("[smtp]\nport = true", 4, "[smtp] port should be a whole number", ""),
        ("[smtp]\nsecurity = 'startls'", 4, "[smtp] security should be", 'did you mean "starttls"?'),
        ("[smtp]\npassword = 'x'", 4, "[smtp] password is not known", 'did you mean "password_file"?'),
        ("[[smtp]]\n[[smtp]]\nhost = 5", 5, "[[smtp]] 2: host should be a text in quotes", ""),
        ("[smtp]\ntransport = 'folder'", 3, 'the transport "folder" needs a path', ""),
        ("[smtp]\nusername = 'x'", 3, "a username needs a password_file", ""),
        (
            "[smtp]\nusername = 'x'\npassword_file = 'y'\nsecurity = 'none'",
            3,
            "the password would travel unencrypted",
            "",
        ),
        ("[database]\nurl = 'mysql://db/x'", 4, "[database] url should begin with sqlite:///", "known are"),
        ("[delivery]\nlease = 'soon'", 4, "[delivery] lease should be a length of time", ""),
        ("[[source]]\nid = 'a'\nevery = '5'", 5, "every should be at least a minute, such as", ""),
        ("[delivery]\nexpire_after = 0", 4, "[delivery] expire_after should be longer than nothing", ""),
        ("[retention]\ndays = 30", 4, "[retention] days should be greater than or equal to 90", ""),
        ("[web]\npublic_url = 'papers.example.org'", 4, "[web] public_url should be an address such as", ""),
        ("[web]\nbind = '8025'", 4, "[web] bind should be an address and a port", ""),
        ("[inbound]\nmaildir = 'm'\nhost = 'h'", 3, "give either a maildir or a host", ""),
        ("[[source]]\nurl = 'https://x.org'", 3, "[[source]] 1: id is missing", ""),
        (
            "[[source]]\nid = 'a'\nurl = 'x'\n[[source]]\nid = 'a'\nurl = 'y'",
            7,
            '[[source]] 2: id "a" is already the id of [[source]] 1',
            "own id",
        ),
        ("[[digest]]\nname = 'a'\n[[digest]]\nname = 'a'", 6, '"a" is already the name of [[digest]] 1', "own name"),
        (
            "[[source]]\nid = 'hf-daily'\nkind = 'huggingface'\n[[digest]]\nname = 'a'\nsources = ['hf-dayly']",
            8,
            'names "hf-dayly", which is no [[source]]',
            'did you mean "hf-daily"?',
        ),
        (
            "[[digest]]\nname = 'a'\ntimezone = 'Europe/Berln'",
            5,
            '[[digest]] 1: timezone "Europe/Berln" is not a time zone; did you mean "Europe/Berlin"?',
            "",
        ),
        ("[[digest]]\nname = 'a'\ntimezone = ''", 5, "is not a time zone", ""),
        ("[[digest]]\nname = 'a'\nsend_at = '25:00'", 5, "[[digest]] 1: send_at should be a time of day", ""),
        ("[[digest]]\nname = 'a'\nwindow = 91", 5, "[[digest]] 1: window should be at most 90 days", ""),
        ("[[digest]]\nname = 'a'\ndays = ['moonday']", 5, "'moonday' is not a weekday", ""),
        ("[[digest]]\nname = 'a'\ndays = []", 5, "should name at least one weekday", ""),
        ("[[digest]]\nname = 'a'\ncategory = ['cs.CL']", 5, "category is not known", 'did you mean "categories"?'),
        ("[[digest]]\nname = 'a'\ncategories = {'cs.CL' = 0}", 5, 'the weight of "cs.CL" should be a number', ""),
        ("[[digest]]\nname = 'a'\nweights = {trent = 1}", 5, "weights.trent is not known", 'did you mean "trend"?'),
        ("[[digest]]\nname = 'a'\nweights = {trend = 0}", 5, "at least one of trend, topic", ""),
        ("[[digest]]\nname = 'a'\nmute = {authors = 'Bob'}", 5, "mute.authors should be a list of texts", ""),
        ("[[digest]]\nname = 'a'\ntitle = \"a\\r\\nBcc: x\"", 5, "title should be one line of text", ""),
        ("[[digest]]\nname = 'a'\naccent = 'red'", 5, "accent should be a colour such as", 'accent = "#0b4a8f"'),
        ("[[digest]]\nname = 'a'\nacent = '#06f'", 5, "acent is not known", 'did you mean "accent"?'),
        (
            f"[[digest]]\nname = 'a'\nlogo = '{'x' * 61}'",
            5,
            "logo should be at most 60 characters long, and has 61",
            "",
        ),
        ('[[digest]]\nname = \'a\'\nheader = """a\nb"""', 5, "header should be one line of text", ""),
        (f"[[digest]]\nname = 'a'\nfooter = '{'x' * 301}'", 5, "footer should be at most 300 characters long", ""),
        ("[[digest]]\nname = 'a'\nlanguage = 'pt'", 5, "[[digest]] 1: language 'pt' is not a language", "en"),
        ("[[digest]]\nname = 'a'\nlanguage = 'german'", 5, 'did you mean "de"? known are: en (English), de', ""),
        ("[[digest]]\nname = 'a'\nlanguage = ''", 5, "is not a language that mails are written in", ""),
        ("[[digest]]\nname = '../x'", 4, "name should be made of letters", ""),
    ],
)
def test_a_wrong_key_is_named_with_its_line_and_what_to_do(tmp_path, added, line, what, try_):
    error = refused(tmp_path, f"{MINIMAL}{added}\n")
    assert error.where == f"{tmp_path / 'config.toml'} line {line}"
    assert what in error.what
    assert error.try_
    assert try_ in error.try_


@pytest.mark.parametrize(
    ("accent", "kept"),
    [("#0b4a8f", "#0b4a8f"), ("#06f", "#0066ff"), (" #ABC ", "#aabbcc"), ("#0B4A8F", "#0b4a8f"), ("", "")],
)
def test_an_accent_is_kept_in_one_spelling(tmp_path, accent, kept):
    config = load(written(tmp_path, f'{MINIMAL}[[digest]]\nname = "a"\naccent = "{accent}"\n'), {})
    assert config.digests[0].look == Look(accent=kept)


@pytest.mark.parametrize(
    "accent",
    ["0b4a8f", "#", "#0b4a", "#0b4a8f80", "#ggg", "blue", "rgb(1,2,3)", "#06f;x", "#06f url(x)", "#０00"],
)
def test_an_accent_that_is_no_colour_is_refused(tmp_path, accent):
    error = refused(tmp_path, f"{MINIMAL}[[digest]]\nname = 'a'\naccent = '{accent}'\n")
    assert error.what == '[[digest]] 1: accent should be a colour such as "#0b4a8f" or "#06f"'


@pytest.mark.parametrize("key", ["title", "logo", "header", "footer"])
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('\\"Labs\\" <b> {{ 7*7 }}', '"Labs" <b> {{ 7*7 }}'),
        ("مختبرات \u200fالأمثلة", "مختبرات \u200fالأمثلة"),
        *(
            (f"a\\u{code}b", None)
            for code in ("0000", "0009", "000a", "000d", "001b", "007f", "0085", "0092", "2028", "2029")
        ),
    ],
)
def test_what_readers_see_may_be_any_line_without_control_characters(tmp_path, key, text, kept):
    given = f'{MINIMAL}[[digest]]\nname = "a"\n{key} = "{text}"\n'
    if kept is None:
        assert refused(tmp_path, given).what.startswith(f"[[digest]] 1: {key} should be one line of text")
    else:
        digest = load(written(tmp_path, given), {}).digests[0]
        assert (digest.title if key == "title" else getattr(digest.look, key)) == kept


def test_the_longest_texts_are_taken(tmp_path):
    lengths = {"logo": 60, "header": 300, "footer": 300}
    given = "".join(f'{key} = "{"字" * most}"\n' for key, most in lengths.items())
    look = load(written(tmp_path, f'{MINIMAL}[[digest]]\nname = "a"\n{given}'), {}).digests[0].look
    assert {key: len(getattr(look, key)) for key in lengths} == lengths


def test_the_inliner_is_one_of_two(tmp_path):
    assert load(written(tmp_path, MINIMAL), {}).mail.inliner == "premailer"
    assert load(written(tmp_path, f'{MINIMAL}inliner = "css-inline"\n'), {}).mail.inliner == "css-inline"
    error = refused(tmp_path, f'{MINIMAL}inliner = "css-inliner"\n')
    assert (error.where, error.try_) == (f"{tmp_path / 'config.toml'} line 3", 'did you mean "css-inline"?')


def test_a_wrong_value_is_answered_with_a_right_one(tmp_path):
    assert refused(tmp_path, f"{MINIMAL}[smtp]\nport = 'http'\n").try_ == "write for example port = 587"


@pytest.mark.parametrize("address", ["papers", "a@b@c", "papers@", "ümit@example.org", "a b@example.org"])
def test_a_sender_that_is_no_address_is_refused(tmp_path, address):
    error = refused(tmp_path, f'[mail]\nfrom = "{address}"\n')
    assert error.what.startswith("[mail] from ")


@pytest.mark.parametrize(
    ("written_as", "kept"),
    [
        ("Papers <papers@bücher.example.org>", "papers@xn--bcher-kva.example.org"),
        ("papers@localhost", "papers@localhost"),
        ("papers@digest.test", "papers@digest.test"),
    ],
)
def test_a_sender_may_have_an_international_or_a_private_domain(tmp_path, written_as, kept):
    config = load(written(tmp_path, f'[mail]\nfrom = "{written_as}"\n'), {})
    assert config.sender.from_address == kept


def test_a_sender_without_dots_gives_a_list_id_with_one(tmp_path):
    text = '[mail]\nfrom = "papers@localhost"\n[[digest]]\nname = "daily"\n'
    assert load(written(tmp_path, text), {}).digests[0].list_id == "daily.localhost"


def test_a_missing_sender_is_named(tmp_path):
    assert refused(tmp_path, "[web]\nenabled = false\n").what == "[mail] is missing"


def test_further_problems_are_counted(tmp_path):
    error = refused(tmp_path, f"{MINIMAL}[web]\nbind = 'x'\npublic_url = 'y'\n")
    assert error.try_ == "1 more to put right after this"


def test_broken_toml_is_refused_with_line_and_column(tmp_path):
    error = refused(tmp_path, f"{MINIMAL}reply_to = me@example.org\n")
    assert error.where == f"{tmp_path / 'config.toml'} line 3, column 12"
    assert error.what.startswith("is not valid TOML")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"[mail]\nfrom = '\xff'\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(file, {})


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is a folder, not a file"):
        load(tmp_path, {})


def test_a_file_behind_a_file_is_refused_without_traceback(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        load(written(tmp_path, MINIMAL) / "config.toml", {})


def test_a_named_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml", {})
    assert caught.value.what == "there is no such file"
    assert "digest init" in caught.value.try_


def test_files_are_looked_for_in_the_documented_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = {"HOME": str(tmp_path / "home")}
    with pytest.raises(ConfigError) as caught:
        find(None, home)
    assert "digest init" in caught.value.try_
    (tmp_path / "home/.config/digest").mkdir(parents=True)
    own = written(tmp_path / "home/.config/digest", MINIMAL)
    assert find(None, home) == own
    assert find(None, {"XDG_CONFIG_HOME": str(tmp_path / "home/.config")}) == own
    written(tmp_path, MINIMAL)
    assert find(None, home) == Path("config.toml")
    named = written(tmp_path, MINIMAL, "named.toml")
    assert find(None, {**home, "DIGEST_CONFIG": str(named)}) == named
    assert find(own, {**home, "DIGEST_CONFIG": str(named)}) == own


def test_a_secret_is_the_first_line_of_its_file(tmp_path):
    assert read_secret(written(tmp_path, "s3cret\nsecond line\n", "secret")) == "s3cret"
    with pytest.raises(ConfigError, match="empty"):
        read_secret(written(tmp_path, "\n", "empty"))


def test_a_secret_in_a_wrong_place_is_not_repeated(tmp_path):
    error = refused(tmp_path, f"{MINIMAL}[smtp]\npassword = 'hunter2'\n")
    assert "hunter2" not in str(error)


def test_the_only_digest_need_not_be_named(tmp_path):
    one = load(written(tmp_path, f'{MINIMAL}[[digest]]\nname = "daily"\n'), {})
    assert one.digest(None) == one.digest("daily") == one.digests[0]
    with pytest.raises(UsageError) as caught:
        one.digest("dayly")
    assert caught.value.try_ == 'did you mean "daily"?'
    two = load(written(tmp_path, f'{MINIMAL}[[digest]]\nname = "a"\n[[digest]]\nname = "b"\n'), {})
    with pytest.raises(UsageError, match="several digests"):
        two.digest(None)


def test_a_folder_of_templates_that_is_not_there_is_refused(tmp_path):
    file = written(tmp_path, MINIMAL + 'templates = "nowhere"\n')
    with pytest.raises(ConfigError, match="which is no folder") as refused:
        load(file, environ={})
    assert "templates" in refused.value.where
    (tmp_path / "nowhere").mkdir()
    assert load(file, environ={}).mail.templates == tmp_path / "nowhere"
