"""A page of Qt's Chromium through its debugging port; Playwright asks for contexts that Qt does not have."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any


class DevTools:
    """The first page that shows the app.

    Args:
        port: Debugging port (`QTWEBENGINE_REMOTE_DEBUGGING`).
        log: What the program says, shown when something does not come.
        begins: How the page's address begins.
    """

    def __init__(self, port: int, log: Path, begins: str = "http") -> None:
        from websockets.sync.client import connect

        self._log, self._number = log, 0
        address = self._poll(lambda: _address(port, begins))
        self._socket = connect(address, max_size=None, legacy=True)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": values}))
        while True:
            answer = json.loads(self._socket.recv(timeout=180))
            if answer.get("id") == self._number:
                assert "result" in answer, answer
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        """The value of a script."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until a script is true."""
        self._poll(lambda: self.run(f"!!({condition})"), condition)

    def click(self, selector: str) -> None:
        """Press what a selector finds, once it is there."""
        self.wait(f"document.querySelector({selector!r})")
        self.run(f"document.querySelector({selector!r}).click()")

    def fill(self, selector: str, value: str) -> None:
        """Write into a field, as typing does."""
        field = f"document.querySelector({selector!r})"
        self.wait(field)
        self.run(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")

    def choose(self, selector: str, value: str) -> None:
        """Type a value into a dropdown, and Enter."""
        self.wait(f"document.querySelector({selector!r})")
        self.run(f"document.querySelector({selector!r}).focus(); document.querySelector({selector!r}).select()")
        self.call("Input.insertText", text=value)
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **enter)

    def upload(self, selector: str, path: Path) -> None:
        """Choose a file for a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def _poll(self, ask: Any, what: str = "the window", seconds: float = 400) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := ask():
                return found
            time.sleep(0.3)
        raise AssertionError(f"{what}\n{self._log.read_text()[-3000:]}")


def _address(port: int, begins: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=2) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page" and page["url"].startswith(begins)]
    except OSError:
        return ""
    return str(pages[0]["webSocketDebuggerUrl"]) if pages else ""
