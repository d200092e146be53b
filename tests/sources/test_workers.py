"""workers: functions in processes of their own; what goes wrong there is told here, and the next call goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from digest.model.errors import InputError, ParseError
from digest.sources.workers import Workers


class Odd(Exception):
    """No pickle brings it back: it is made of two things, and tells one."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one)
        self.other = other


def where(value: object) -> tuple[int, object]:
    return os.getpid(), value


def slowly(value: object) -> tuple[int, object]:
    time.sleep(0.2)
    return where(value)


def printing(text: str) -> str:
    print(text)
    os.write(1, text.encode())
    return text


def refusing(text: str) -> None:
    raise ParseError(text, where="https://a.example/feed", try_="look at it")


def failing_oddly() -> None:
    raise Odd("one", str(os.getpid()))


def dying(by: signal.Signals) -> None:
    os.kill(os.getpid(), by)


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def test_it_is_called_elsewhere_with_all_that_it_is_given(workers):
    pid, value = workers.call(where, {"größer": b"\x00" * 1_000_000})
    assert pid != os.getpid() and value == {"größer": b"\x00" * 1_000_000}
    assert workers.call(where, 1) == (pid, 1)  # the same process again


def test_no_more_processes_than_were_asked_for(workers):
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda n: workers.call(slowly, n), range(6)))
    assert [value for _, value in found] == list(range(6))
    assert len({pid for pid, _ in found} - {os.getpid()}) == 2


def test_an_error_is_raised_as_it_was(workers):
    with pytest.raises(ParseError) as caught:
        workers.call(refusing, "no feed")
    assert (caught.value.what, caught.value.where, caught.value.try_) == (
        "no feed",
        "https://a.example/feed",
        "look at it",
    )


def test_an_error_that_cannot_be_sent_is_found_here(workers):
    with pytest.raises(Odd) as caught:
        workers.call(failing_oddly)
    assert caught.value.other == str(os.getpid())


def test_what_a_function_prints_is_no_answer(workers, capfd):
    assert workers.call(printing, "aloud") == "aloud"
    workers.close()
    assert capfd.readouterr().err.count("aloud") == 2


def test_a_process_that_dies_fails_its_call_alone(workers):
    first, _ = workers.call(where, 0)
    with pytest.raises(InputError, match=r"the process that read it died \(signal 9\)"):
        workers.call(dying, signal.SIGKILL)
    second, value = workers.call(where, 1)
    assert value == 1 and second not in (first, os.getpid())


def test_who_is_told_to_stop_with_us_answers_first(workers):
    pid, _ = workers.call(where, 0)
    assert workers.call(dying, signal.SIGINT) is None  # Ctrl-C reaches it, too, but is not meant for it
    assert workers.call(where, 1) == (pid, 1)


def test_what_cannot_be_sent_is_called_here(workers):
    assert workers.call(lambda: os.getpid()) == os.getpid()


def test_the_folder_that_we_stand_in_is_no_place_to_import_from(tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    made = Workers(2)
    assert made.call(os.path.basename, "/a/b") == "b"
    made.close()


def test_one_processor_alone_starts_none():
    assert Workers(1).call(where, 0) == (os.getpid(), 0)


def test_closing_ends_the_processes_and_the_next_call_starts_one(workers):
    pid, _ = workers.call(where, 0)
    workers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert workers.call(where, 1)[0] not in (pid, os.getpid())
