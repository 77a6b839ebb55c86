"""A hub on this machine that sends the files of a folder slowly, as the hub's own client asks for them; no network."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "5a1f3c" + "0" * 34
PIECE = 4096


@contextmanager
def local_hub(folder: Path, name: str, seconds: float = 0.02) -> Iterator[str]:
    """Serve a folder as the model `name`, a piece every `seconds`; yields the address of the hub."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, name, seconds))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(folder: Path, name: str, seconds: float) -> type[BaseHTTPRequestHandler]:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            file = path.rsplit("/", 1)[-1]
            if path.startswith(f"/api/models/{name}/tree/"):
                tree = [
                    {"type": "file", "path": file, "size": len(content), "oid": _etag(content)}
                    for file, content in files.items()
                ]
                self._send(json.dumps(tree).encode(), body, {"Content-Type": "application/json"})
            elif path.startswith(f"/api/models/{name}"):
                siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
                info = {
                    "_id": "1",
                    "id": name,
                    "modelId": name,
                    "sha": COMMIT,
                    "siblings": siblings,
                    "private": False,
                    "tags": [],
                }
                self._send(json.dumps(info).encode(), body, {"Content-Type": "application/json"})
            elif path.startswith(f"/{name}/resolve/") and file in files:
                self._send(files[file], body, {"ETag": f'"{_etag(files[file])}"', "X-Repo-Commit": COMMIT}, slowly=True)
            else:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.send_header("X-Error-Code", "EntryNotFound")
                self.end_headers()

        def _send(self, content: bytes, body: bool, headers: dict[str, str], slowly: bool = False) -> None:
            start = 0
            asked = self.headers.get("Range", "")
            if asked.startswith("bytes="):
                start = int(asked[6:].split("-")[0])
            self.send_response(206 if start else 200)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            try:
                for place in range(start, len(content) if body else 0, PIECE):
                    self.wfile.write(content[place : min(place + PIECE, len(content))])
                    if slowly:
                        time.sleep(seconds)
            except OSError:
                # Whoever asked was killed.
                self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler


def _etag(content: bytes) -> str:
    return sha256(content).hexdigest()[:40]
