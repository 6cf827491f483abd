"""A headless Chromium that tests drive: the DevTools protocol over two pipes, with nothing to install."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
)  # fmt: skip
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Page:
    """One page: open an address, run scripts in it, press keys; what it logged as an error is kept in ``errors``."""

    def __init__(self, send: int, receive: int) -> None:
        self.send, self.receive, self.rest, self.number = send, receive, b"", 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, timeout: float = 60, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come in between are noted."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        os.write(self.send, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            answer = self.next()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.note(answer)
        raise TimeoutError(f"{method} was not answered in {timeout} s")

    def next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = os.read(self.receive, 1 << 16)
            if not more:
                raise RuntimeError("the browser has ended")
            self.rest += more
        first, _, self.rest = self.rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(first)
        return answer

    def note(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(about["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        if event.get("method") == "Runtime.consoleAPICalled" and about["type"] == "error":
            self.errors.append(" ".join(str(a.get("description", a.get("value"))) for a in about["args"]))
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    def open(self, path: Path, query: str = "", width: int = 1000, height: int = 900, motion: str = "reduce") -> None:
        """Open a file, as someone who has asked for as little motion as possible unless told otherwise."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": motion}])
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=path.as_uri() + query)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        said = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(said["exceptionDetails"]["exception"].get("description", script))
        return said["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Until an expression is true; fails with what the page logged."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self.run(f"Boolean({condition})"):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{condition} did not become true in {seconds} s; errors: {self.errors}")

    def press(self, key: str, times: int = 1) -> None:
        """A key, as a keyboard sends it."""
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": "\r", " ": " "}.get(key)
        for _ in range(times):
            self.ask("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
            self.ask("Input.dispatchKeyEvent", type="keyUp", **code)


@contextmanager
def page() -> Iterator[Page]:
    """A page of a browser of its own, which ends with the block."""
    assert PROGRAM
    to_browser, ours = os.pipe()
    here, from_browser = os.pipe()

    def on_three_and_four() -> None:
        # The browser reads its commands from 3 and answers on 4; one of ours may lie there already.
        commands, answers = os.dup(to_browser), os.dup(from_browser)
        os.dup2(commands, 3)
        os.dup2(answers, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=on_three_and_four, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Page(ours, here)
        finally:
            os.close(ours)
            os.close(here)
            browser.terminate()
            browser.wait(20)
