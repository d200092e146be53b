"""`digest tokens`: made once, listed without the secret, taken back."""

from __future__ import annotations


def test_a_token_is_printed_once_listed_and_revoked(installed, call):
    made = call("tokens", "add", "sync", "--scope", "subscribers:read", "--scope", "digests:read", "--expires", "7")
    assert (made.code, made.out.startswith("digest_"), len(made.out.strip())) == (0, True, 50)
    assert made.out.count("\n") == 1
    assert "sync may use subscribers:read, digests:read, until 2026-03-10 07:05" in made.err
    assert "The API is off" in made.err
    listed = call("tokens", "list")
    assert "sync" in listed.out
    assert made.out.strip() not in listed.out
    assert call("tokens", "list", "--json").json == {
        "tokens": [
            {
                "name": "sync",
                "scopes": ["subscribers:read", "digests:read"],
                "created_at": "2026-03-03T07:05:00Z",
                "expires_at": "2026-03-10T07:05:00Z",
                "last_used_at": None,
            }
        ]
    }
    assert call("tokens", "revoke", "sync").out == "sync is revoked.\n"
    assert call("tokens", "list").out == "None.\n"
    assert call("tokens", "revoke", "sync").code == 1


def test_the_token_stands_alone_in_json(installed, call):
    made = call("tokens", "add", "sync", "--scope", "entries:read", "--json")
    assert sorted(made.json) == ["expires_at", "name", "scopes", "token"]
    assert made.json["expires_at"] is None


def test_what_cannot_be_is_refused_with_what_can(installed, call):
    wrong = call("tokens", "add", "sync", "--scope", "entries:reed")
    assert wrong.code == 2
    assert 'error: --scope: there is no scope "entries:reed"' in wrong.err
    assert "known are: subscribers:read" in wrong.err
    assert call("tokens", "add", "sync").code == 2
    assert call("tokens", "add", "a b", "--scope", "entries:read").code == 2
