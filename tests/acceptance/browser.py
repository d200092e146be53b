"""Chromium, driven over a pipe with the DevTools protocol: pages are opened, asked, photographed. No library needed.

https://chromedevtools.github.io/devtools-protocol/ ; messages are JSON, each ended by a NUL, on descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)


class Browser:
    """One page of a running Chromium."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._left = b""
        self._number = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.told: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = self.ask(f"(() => {{ try {{ return {expression} }} catch {{ return null }} }})()")
            except RuntimeError:
                value = None  # the page is being changed for another
            if value:
                return value
            assert time.monotonic() < end, f"never came true: {expression}"
            time.sleep(0.01)

    def press(self, key: str) -> None:
        """Tab or Enter, as on a keyboard."""
        code, said = {"Tab": (9, {}), "Enter": (13, {"text": "\r"})}[key]
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **said)

    def click(self, element: str) -> None:
        """A press of the mouse in the middle of what a JavaScript expression gives."""
        place = self.ask(
            f"(() => {{ const it = {element}; it.scrollIntoView({{block: 'center'}});"
            " const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            at = {"x": place[0], "y": place[1]}
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self._call("Input.insertText", text=text)

    def cookie(self, name: str, value: str, url: str) -> None:
        self._call("Network.setCookie", name=name, value=value, url=url)

    def scripts(self, *, on: bool) -> None:
        """Whether pages may run scripts; ``ask`` still works."""
        self._call("Emulation.setScriptExecutionDisabled", value=not on)

    def photograph(self, file: Path, *, whole: bool = False) -> None:
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))

    @property
    def complaints(self) -> list[str]:
        """What the browser's console was told: errors, and what a policy refused."""
        logged = [m["params"]["entry"] for m in self.told if m["method"] == "Log.entryAdded"]
        thrown = [
            m["params"]["exceptionDetails"]["text"] for m in self.told if m["method"] == "Runtime.exceptionThrown"
        ]
        return [entry["text"] for entry in logged if entry["level"] == "error"] + thrown

    @property
    def asked_for(self) -> list[str]:
        """Every address that was requested."""
        return [m["params"]["request"]["url"] for m in self.told if m["method"] == "Network.requestWillBeSent"]

    def _call(self, method: str, **params: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]
            if "method" in answer and hasattr(self, "told"):
                self.told.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._reading], [], [], 60)
            assert ready, "Chromium does not answer"
            came = os.read(self._reading, 1 << 20)
            assert came, "Chromium has ended"
            self._left += came
        line, _, self._left = self._left.partition(b"\0")
        return json.loads(line)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium of its own, with a profile that is thrown away."""
    program = next(found for name in PROGRAMS if (found := shutil.which(name)))
    to_child, writing = os.pipe()
    reading, from_child = os.pipe()

    def pipes() -> None:
        # First out of the way, then to the numbers that Chromium reads and writes.
        high = os.dup(to_child), os.dup(from_child)
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        process = subprocess.Popen(
            command, preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_child)
        os.close(from_child)
        try:
            yield Browser(reading, writing)
        finally:
            os.close(writing)
            os.close(reading)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
