"""A page in headless Chromium that is typed into, through its debugging pipe."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "headless no-sandbox disable-gpu disable-background-networking "
    "disable-component-update disable-dev-shm-usage disable-sync no-first-run"
)
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}  # and their codes


def command(profile, *more):
    """The command line of a browser; skips the test if there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        pytest.skip("needs Chromium: apt-get install chromium-headless-shell")
    flags = [f"--{flag}" for flag in (*FLAGS.split(), *more)]
    return [program, *flags, f"--user-data-dir={profile}"]


class Page:
    """An open page. `errors` are what its scripts and its console complained about."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self._session, self._count, self.errors = None, 0, []

    def open(self, address):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def call(self, method, **params):
        """What a method of the protocol returns."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        self._writer.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                return answer["result"]

    def evaluate(self, code):
        """The value of JavaScript code, or that of its promise."""
        how = {"returnByValue": True, "awaitPromise": True}
        found = self.call("Runtime.evaluate", expression=code, **how)
        return found["result"].get("value")

    def press(self, *keys):
        for key in keys:
            which = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            text = {"text": "\r"} if key == "Enter" else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **which, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **which)

    def _receive(self):
        message = bytearray()
        while (byte := self._reader.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        found = json.loads(message)
        if found.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.errors.append(found["params"])
        return found


@contextlib.contextmanager
def page(path, profile):
    """Opens a file in a browser, which ends with the block."""
    to_read, from_us = os.pipe()
    from_it, to_write = os.pipe()
    line = command(profile, "remote-debugging-pipe")
    shell = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", *line]
    program = subprocess.Popen(
        shell,
        pass_fds=(to_read, to_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(to_write)
    try:
        with os.fdopen(from_it, "rb") as reader, os.fdopen(from_us, "wb") as writer:
            opened = Page(reader, writer)
            opened.open(f"file://{path}")
            yield opened
    finally:
        program.kill()
        program.wait()
