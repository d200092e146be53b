"""`digest fetch` and Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.cli.conftest import CONFIG
from tests.sources.servers import ScriptedServer


def test_a_fetch_that_is_interrupted_does_not_say_that_nothing_is_due(call):
    def handler(_connection, _request):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)  # the answer would come after the stop was heard

    server = ScriptedServer(handler)
    source = f'[[source]]\nid = "slow"\nkind = "feed"\nurl = "{server.url()}"\nallow_private = true\n'
    head, _, tail = CONFIG.partition("[[source]]")
    Path("config.toml").write_text(head + source + tail[tail.index("[[digest]]") :], "utf-8")
    done = call("fetch", "--all")
    server.stop()
    assert (done.code, done.out) == (130, "Interrupted before a source was read.\n")
