"""A web server that keeps what it was sent, and environments that name it."""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from projects import CONFIG, Files

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.model.environment import Environment

CRITERIA = """\
- {id: cpu, title: "CPU <b> & `load` <!channel>", query: cpu, unit: '%', expect: '< 60'}
- {id: requests, query: requests, expect: '> 90'}
"""


@dataclass
class Listener:
    """A web server that keeps what it was sent; the first part of a path says how it answers."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    version: int = 7
    conflicts: int = 0
    hold: float = 60.0

    def __post_init__(self) -> None:
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                listener.requests.append(
                    {
                        "method": self.command,
                        "path": self.path,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "body": json.loads(body) if body else None,
                    }
                )
                status, headers, content = listener.reply(self.command, self.path, dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def reply(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        kind = path.split("/")[1].partition("?")[0]
        if kind == "hang":
            time.sleep(self.hold)
        if kind == "redirect":
            return 302, {"Location": f"{self.url}/ok/elsewhere?token=x"}, b""
        if kind == "broken":
            # A server that sends back everything that it got.
            return 500, {}, f"broken {path} {headers} \x1b[31m::error::".encode()
        if kind == "wiki":
            return self.page(method)
        return 200, {}, b"ok"

    def page(self, method: str) -> tuple[int, dict[str, str], bytes]:
        kind = {"Content-Type": "application/json"}
        if method == "GET":
            page = {"id": "42", "type": "page", "title": "Step 2", "version": {"number": self.version}}
            return 200, kind, json.dumps(page).encode()
        if self.conflicts:
            self.conflicts -= 1
            self.version += 1
            return 409, kind, b'{"message": "version"}'
        return 200, kind, b"{}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


def environment_with(files: Files, reports: str) -> Environment:
    """Return an environment whose ``reports:`` are written as YAML in flow style."""
    files.file("telemetry.yaml", CONFIG.replace("telemetry.zip}", f"telemetry.zip, reports: {reports}}}"))
    return load_environment(files.path / "telemetry.yaml")
