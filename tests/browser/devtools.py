"""Chromium without a window, driven over the DevTools protocol by the standard library alone.

Which question this module answers: *what does a browser make of a page?*

Commands and events are JSON texts that end in a zero byte, on file descriptors 3 (to the browser)
and 4 (from it) [1]_: no port, no web socket, no driver to install.

References
----------
.. [1] Chrome DevTools Protocol, https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S: Final = 120.0
"""A browser that says nothing for so long hangs."""

_FLAGS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # it needs privileges that a container does not give
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "about:blank",
)
_LOUD: Final = frozenset({"error", "warning", "assert"})


class BrowserError(Exception):
    """Chromium is missing, ended, hangs or refuses a command."""


def find() -> str:
    """Return the path of an installed Chromium.

    Raises
    ------
    BrowserError
        If there is none: tests that need one fail, they do not skip.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BrowserError(
        f"none of {', '.join(NAMES)} is on PATH; install one (Debian: apt-get install chromium) or "
        "leave these tests out with -m 'not browser', as plain 'pytest' does"
    )


@dataclass
class Page:
    """One open page and everything that the browser reported on it."""

    browser: "Browser"
    session: str
    address: str
    requested: list[str] = field(default_factory=list)
    """Addresses that were asked for, of the page itself too."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings: of the console, of the browser's own log, exceptions."""
    loaded: bool = False

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression gives; the page itself needs to run none."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def resize(self, width: int, height: int = 900) -> None:
        """Show the page in a window of so many CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def prefer(self, scheme: str, medium: str = "") -> None:
        """Prefer the colour scheme ``light`` or ``dark``, on a medium such as ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=medium, features=features)

    def pdf(self) -> bytes:
        """Print the page as its style sheet asks for, backgrounds included."""
        answer = self.send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    def picture(self) -> bytes:
        """Return the whole page as PNG, in the width of the window."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(answer["data"])

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to this page and return its answer."""
        return self.browser.send(method, self.session, **parameters)


class Browser:
    """A running Chromium; make one with :func:`launched`."""

    def __init__(self, into: int, out: int, log: Path) -> None:
        self._into, self._out, self._log = into, out, log
        self._number = 0
        self._rest = b""
        self._pages: dict[str, Page] = {}

    @contextmanager
    def open(self, path: Path, *, width: int = 1280) -> Iterator[Page]:
        """Load a file in a tab of its own and wait until everything in it is there."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, path.resolve().as_uri())
        self._pages[session] = page
        try:
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.send(f"{domain}.enable")
            page.resize(width)
            failed = page.send("Page.navigate", url=page.address).get("errorText")
            if failed:
                raise BrowserError(f"{page.address}: {failed}")
            while not page.loaded:
                self._note(self._receive())
            yield page
        finally:
            self.send("Target.closeTarget", targetId=target)
            del self._pages[session]

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer; events that come before it are noted."""
        self._number += 1
        number = self._number
        command: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        self._write(json.dumps(command).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") != number:
                self._note(message)
                continue
            if "error" in message:
                raise BrowserError(f"{method}: {message['error'].get('message')}")
            answer: dict[str, Any] = message["result"]
            return answer

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._into, data) :]
            except BrokenPipeError:
                raise self._ended() from None

    def _receive(self) -> dict[str, Any]:
        """Wait for the next message."""
        while b"\0" not in self._rest:
            if not select.select([self._out], [], [], PATIENCE_S)[0]:
                raise BrowserError(
                    f"chromium said nothing for {PATIENCE_S:g} s{self._last_words()}"
                )
            chunk = os.read(self._out, 1 << 20)
            if not chunk:
                raise self._ended()
            self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        page = self._pages.get(message.get("sessionId", ""))
        if page is None:
            return
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            page.loaded = True
        elif method == "Network.requestWillBeSent":
            page.requested.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            page.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in _LOUD:
            page.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in _LOUD:
            page.complaints.append(str([entry.get("value") for entry in parameters["args"]]))

    def _ended(self) -> BrowserError:
        return BrowserError(f"chromium ended{self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-10:]
        return "; it wrote:\n" + "\n".join(lines) if lines else ""


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a Chromium with an empty profile, and end it."""
    program = find()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "stderr.txt"
        (from_us, into), (out, to_us) = _pipe(), _pipe()
        process = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={folder}/profile"],
            {**os.environ, "HOME": folder},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, from_us, 3),
                (os.POSIX_SPAWN_DUP2, to_us, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT, 0o600),
            ],
        )
        os.close(from_us)
        os.close(to_us)
        try:
            browser = Browser(into, out, log)
            yield browser
            with suppress(BrowserError):
                browser.send("Browser.close")
        finally:
            os.close(into)  # chromium ends when this pipe does
            os.close(out)
            _reap(process)


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends have high numbers, so that 3 and 4 are free in the child."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _reap(process: int, patience_s: float = 10.0) -> None:
    """Wait for the browser to end, and end it if it does not."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if os.waitpid(process, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
