"""`digest sources`."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.model.errors import InputError
from digest.services.fetching.opml import read_opml
from tests.cli.conftest import SAMPLES

FIELDS = {
    "id", "title", "url", "abstract", "authors", "institutions", "categories", "published_at", "upvotes", "comments",
    "code_url", "doi", "arxiv_id",
}  # fmt: skip


def test_check_needs_no_configuration_and_tells_kind_feed_and_entries(call, tmp_path):
    done = call("sources", "check", SAMPLES / "day-1/hf-daily.json", SAMPLES / "day-1/arxiv.atom", "--json")
    votes, listing = done.json["inputs"]
    assert (done.code, votes["kind"], listing["kind"]) == (0, "huggingface", "arxiv")
    assert (votes["ok"], votes["error"], len(votes["entries"]), len(listing["entries"])) == (True, None, 16, 18)
    assert votes["feed"] == {"title": "Hugging Face Daily Papers", "url": "https://huggingface.co/papers"}
    assert set(votes["entries"][0]) == FIELDS
    paper = votes["entries"][0]
    assert (paper["id"], paper["upvotes"], paper["institutions"]) == ("arxiv:2603.90101", 64, ["Halden Research"])
    assert list(tmp_path.iterdir()) == []


def test_some_that_cannot_be_read_is_3_and_all_is_1(call, tmp_path):
    (tmp_path / "page.html").write_text("<!doctype html><html><body>hello")
    some = call("sources", "check", SAMPLES / "day-1/blog.rss", "page.html", "none.xml", "--json")
    assert (some.code, [one["ok"] for one in some.json["inputs"]]) == (3, [True, False, False])
    assert "not a feed" in some.json["inputs"][1]["error"]
    assert some.json["inputs"][2]["kind"] is None
    assert call("sources", "check", "none.xml").code == 1


def test_an_address_in_the_own_network_is_read_only_when_allowed(call, httpserver):
    httpserver.expect_request("/feed").respond_with_data((SAMPLES / "day-1/blog.rss").read_bytes())
    url = httpserver.url_for("/feed").replace("localhost", "127.0.0.1")
    assert call("sources", "check", url).code == 1
    allowed = call("sources", "check", url, "--allow-private", "--json")
    assert (allowed.code, len(allowed.json["inputs"][0]["entries"])) == (0, 2)


def test_checking_an_id_points_to_the_test_of_that_source(call, installed):
    assert "digest sources test arxiv" in call("sources", "check", "arxiv").out


def test_a_kind_can_be_forced_and_an_unknown_one_is_refused(call):
    forced = call("sources", "check", SAMPLES / "day-1/arxiv.atom", "--kind", "feed", "--json")
    assert (forced.code, forced.json["inputs"][0]["kind"]) == (0, "feed")
    assert call("sources", "check", SAMPLES / "day-1/arxiv.atom", "--kind", "fed").code == 2


def test_an_added_source_is_polled_until_it_is_removed(call, installed):
    added = call("sources", "add", "feeds/blog.rss", "--id", "lab", "--json")
    assert (added.code, added.json["kind"], added.json["id"]) == (0, "feed", "lab")
    assert call("sources", "add", "feeds/blog.rss", "--id", "lab").code == 1
    assert [row["id"] for row in call("fetch", "--json").json["sources"]] == ["arxiv", "hf-daily", "lab"]
    assert call("sources", "remove", "lab").code == 0
    assert [one["id"] for one in call("sources", "list", "--json").json["sources"]] == ["arxiv", "hf-daily"]
    assert call("sources", "remove", "lab").code == 1
    assert call("sources", "add", "feeds/blog.rss", "--id", "lab").code == 0
    refused = call("sources", "remove", "arxiv")
    assert (refused.code, "it stands in the configuration" in refused.err) == (1, True)


def test_a_category_is_a_source_even_offline_and_what_cannot_be_read_is_not_added(call, installed):
    added = call("sources", "add", "stat.ML", "--json").json
    assert {name: added[name] for name in ("id", "kind", "url", "category", "stored")} == {
        "id": "stat-ml", "kind": "arxiv", "url": "", "category": "stat.ML", "stored": True,
    }  # fmt: skip
    assert "rss.arxiv.org" in added["found"][0]["unseen"]
    refused = call("sources", "add", "feeds/none.xml", "--json")
    assert (refused.code, "there is no such file" in refused.json["error"]["what"]) == (1, True)
    assert call("sources", "add", "feeds/none.xml", "--unchecked", "--id", "Bad Name").code == 2
    assert len(call("sources", "list", "--json").json["sources"]) == 3


def test_a_page_leads_to_its_feeds_and_a_dry_run_stores_nothing(call, installed, httpserver):
    page = '<!doctype html><html><head><link rel="alternate" type="application/rss+xml" title="Lab" href="/blog.rss">'
    httpserver.expect_request("/").respond_with_data(page, content_type="text/html")
    httpserver.expect_request("/blog.rss").respond_with_data((SAMPLES / "day-1/blog.rss").read_bytes())
    home = httpserver.url_for("/").replace("localhost", "127.0.0.1")
    tried = call("sources", "add", home, "--allow-private", "--dry-run")
    assert tried.code == 0
    for words in ("the page names this feed", "2 papers now", "looked at every 1h", "Nothing was stored"):
        assert words in tried.out
    assert len(call("sources", "list", "--json").json["sources"]) == 2
    added = call("sources", "add", home, "--allow-private", "--every", "3h", "--json").json
    assert (added["kind"], added["url"], added["every"]) == ("feed", f"{home}blog.rss", 10800.0)
    assert call("sources", "add", home, "--allow-private", "--pick", "2", "--id", "x").code == 2
    again = call("sources", "add", home, "--allow-private", "--id", "again", "--json")
    assert (again.code, again.json["error"]["what"]) == (1, f'the source "{added["id"]}" reads the same already')
    refused = call("sources", "add", home, "--json").json["error"]
    assert "--allow-private" in refused["try"]


def test_two_sources_of_one_address_get_two_names(call, installed, httpserver):
    for query in ("channel=1", "channel=2"):
        httpserver.expect_request("/feed", query_string=query).respond_with_data(
            (SAMPLES / "day-1/blog.rss").read_bytes()
        )
    base = httpserver.url_for("/feed").replace("localhost", "127.0.0.1")
    names = [call("sources", "add", f"{base}?channel={n}", "--allow-private", "--json").json["id"] for n in (1, 2)]
    assert names[1] == f"{names[0]}-2"


def test_what_is_nothing_is_said_to_be_nothing_and_a_folder_of_mails_is_one(call, installed, tmp_path):
    assert call("sources", "add", "").code == 2
    assert call("sources", "add", "0028-0837", "--json").json["error"]["what"].endswith("no ISSN with its check digit")
    assert call("sources", "add", "feeds/blog.rss", "--kind", "fede").code == 2
    for name in ("cur", "new", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    added = call("sources", "add", str(tmp_path / "mail"), "--json").json
    assert (added["kind"], added["url"]) == ("maildir", str(tmp_path / "mail"))


def test_opml_goes_both_ways(call, installed, tmp_path):
    (tmp_path / "list.opml").write_text("""<?xml version="1.0"?><opml version="2.0"><body>
      <outline text="Folder"><outline text="A Blog" xmlUrl="https://a.example/feed"/>
      <outline text="A Blog" xmlUrl="https://b.example/feed"/></outline>
      <outline text="cs.CL" xmlUrl="https://rss.arxiv.org/rss/cs.CL"/>
      <outline text="mine" xmlUrl="file:///etc/passwd"/></body></opml>""")
    would = call("sources", "import-opml", "list.opml", "--dry-run")
    assert "a-blog-2: https://b.example/feed" in would.out and "3 would be added" in would.out
    assert "a-blog" not in call("sources", "list").out
    done = call("sources", "import-opml", "list.opml", "--json")
    assert (done.code, [one["id"] for one in done.json["added"]]) == (3, ["a-blog", "a-blog-2", "cs-cl"])
    assert [one["where"] for one in done.json["problems"]] == ["file:///etc/passwd"]
    kinds = {one["id"]: one["kind"] for one in call("sources", "list", "--json").json["sources"]}
    assert (kinds["cs-cl"], kinds["a-blog"]) == ("arxiv", "feed")
    out = call("sources", "export-opml", "--out", "out.opml", "--json")
    assert out.json["left_out"] == ["arxiv", "hf-daily"]
    assert [one.url for one in read_opml(Path("out.opml").read_bytes(), name="out.opml")] == [
        "https://a.example/feed", "https://b.example/feed", "https://rss.arxiv.org/rss/cs.CL",
    ]  # fmt: skip
    again = call("sources", "import-opml", "out.opml", "--json")
    assert (again.code, again.json["added"], len(again.json["known"])) == (0, [], 3)


def test_an_opml_says_how_many_and_which_sources_it_leaves_out(call, installed):
    more = """
        [[source]]
        id = "works"
        kind = "openalex"
        url = "https://mirror.example"
        authors = ["A5023888391"]
        [[source]]
        id = "neuro"
        kind = "biorxiv"
        category = "neuroscience"
        [[source]]
        id = "cl"
        kind = "arxiv"
        category = "cs.CL"
        """
    with Path("config.toml").open("a", encoding="utf-8") as file:
        file.write(more)
    done = call("sources", "export-opml")
    said = "left out 4 sources that no other program could read: "
    assert said + "arxiv (arxiv), hf-daily (huggingface), neuro (biorxiv), works (openalex)" in done.err
    assert [one.url for one in read_opml(done.out.encode(), name="")] == ["https://rss.arxiv.org/atom/cs.CL"]


def test_the_answer_of_a_service_is_read_and_told_from_a_feed(call, installed):
    Path("answer.json").write_text(
        '{"meta": {"count": 1}, "results": [{"id": "https://openalex.org/W44", "title": "Harbour lights"}]}'
    )
    (checked,) = call("sources", "check", "answer.json", "--json").json["inputs"]
    assert (checked["kind"], checked["ok"]) == ("openalex", True)
    added = call("sources", "add", "answer.json")
    assert added.code == 1
    assert 'write a [[source]] with kind = "openalex"' in added.err
    assert "(authors, cites, institutions, query)" in added.err


def test_a_source_that_is_gone_says_since_when_and_what_to_do(call, installed, httpserver, monkeypatch):
    httpserver.expect_request("/feed").respond_with_data(status=410)
    url = httpserver.url_for("/feed").replace("localhost", "127.0.0.1")
    config = Path("config.toml")
    config.write_text(f'{config.read_text()}[[source]]\nid = "lab"\nurl = "{url}"\nallow_private = true\n')
    monkeypatch.setenv("DIGEST_NOW", "2026-03-03T08:15:00Z")
    call("fetch", "lab")
    monkeypatch.setenv("DIGEST_NOW", "2026-03-05T08:15:00Z")
    call("fetch", "lab")
    monkeypatch.setattr("digest.app.operating.text_records", lambda name: ())
    (found,) = (one for one in call("doctor", "--json").json["findings"] if one["what"] == "source lab")
    since = "is gone for good since 2026-03-03 08:15 UTC: its server says that it was taken down (HTTP 410)"
    assert (found["state"], since in found["detail"]) == ("fail", True)
    assert found["try"].startswith("take its [[source]] out, or give its new address; digest fetch lab asks")
    listed = call("sources", "list")
    assert f"lab {since}" in listed.out and " gone " in listed.out
    (lab,) = (one for one in call("sources", "list", "--json").json["sources"] if one["id"] == "lab")
    assert (lab["state"], lab["gone_at"]) == ("broken", "2026-03-03T08:15:00Z")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"hello",
        b"<rss/>",
        b'<!DOCTYPE opml [<!ENTITY a "b">]><opml/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE opml [<!ENTITY a "b">]><opml/>'.encode("utf-16"),
    ],
)
def test_what_is_no_list_of_feeds_is_refused(document):
    with pytest.raises(InputError):
        read_opml(document, name="list.opml")


def test_a_password_in_an_address_is_never_shown(call, installed):
    address = "https://reader:s3cret@papers.example.org/feed"
    assert "s3cret" not in call("sources", "add", address, "--unchecked", "--id", "closed", "--json").out
    assert "s3cret" not in call("sources", "list").out
    shown = {row["id"]: row["url"] for row in call("sources", "list", "--json").json["sources"]}
    assert shown["closed"] == "https://papers.example.org/feed"
    assert "papers.example.org/feed" in (exported := call("sources", "export-opml").out)
    assert "s3cret" not in exported


def test_a_programs_arguments_are_never_shown(call, installed):
    with (installed / "config.toml").open("a") as file:
        file.write('[[source]]\nid = "house"\nkind = "command"\ncommand = ["/opt/ours", "--token", "s3cret"]\n')
        file.write('[[source]]\nid = "line"\nkind = "command"\ncommand = ["ours --token=s3cret"]\n')
    listed = call("sources", "list", "--json")
    shown = {row["id"]: row["options"] for row in listed.json["sources"]}
    assert (shown["house"], shown["line"]) == ({"command": ["/opt/ours"]}, {"command": ["ours"]})
    plain = call("sources", "list").out
    assert "/opt/ours" in plain
    assert "s3cret" not in plain + listed.out
