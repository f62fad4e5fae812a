"""deploy/nginx.conf: nginx takes it, and in front of a real service it passes on what it should, as it should."""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from darnet.service.access import Access
from darnet.service.answers import HEADER_CHARACTERS
from darnet.service.gate import FORM_BYTES
from darnet.service.limits import Limits
from deployment import DEPLOY, ENDING_SECONDS, size
from services import PATIENCE, photo, serving, until

SITE = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
NAME = "photos.example.org"
#: A complete configuration around the site, below a folder of its own.
AROUND = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log {folder}/access;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/1; uwsgi_temp_path {folder}/2; scgi_temp_path {folder}/3;
    include {folder}/site;
}}
"""
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not here (apt install nginx-light)")


def setting(name: str, text: str = SITE) -> list[str]:
    """Each value of a directive."""
    return re.findall(rf"^\s*{name}\s+([^;]+);", text, flags=re.MULTILINE)


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "h": 3600}[text[-1]]


def test_it_waits_longer_than_the_service_and_lets_it_say_what_is_too_large() -> None:
    limits = Limits()
    largest, of_jobs = map(size, setting("client_max_body_size"))
    assert largest >= limits.max_bytes + FORM_BYTES
    assert of_jobs >= limits.job_bytes + FORM_BYTES
    usual, of_events = map(seconds, setting("proxy_read_timeout"))
    assert usual > limits.seconds + ENDING_SECONDS
    assert of_events >= 3600
    assert seconds(*setting("client_body_timeout")) <= limits.seconds
    (buffer,) = setting("proxy_buffer_size")
    assert size(buffer) >= 3 * HEADER_CHARACTERS  # the two lists, and what goes with them
    assert setting("proxy_request_buffering") == ["on"]


def test_the_unit_lets_it_call_the_service_by_its_name() -> None:
    assert set(setting("server_name")) == {NAME}
    unit = (DEPLOY / "darnet.service").read_text(encoding="utf-8")
    (origin,) = re.findall(r"--origin (\S+)", unit)
    access = Access(origins=(origin,))
    assert access.refuses("/v1/experts", {"host": NAME, "origin": f"https://{NAME}"}, "https") is None
    assert setting("proxy_set_header Host") == ["$http_host"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port


def certificate(folder: Path) -> None:
    """One of our own, for the name of the site."""
    how = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    command = ["openssl", "req", *how, *files, "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run(command, check=True, capture_output=True)


def configured(folder: Path, service: str) -> tuple[list[str], int, int]:
    """nginx with the site, its certificate and ports put in; the command, and the ports of HTTP and of TLS."""
    certificate(folder)
    plain, secure = free_port(), free_port()
    site = re.sub(r"^\s*listen \[::\].*\n", "", SITE, flags=re.MULTILINE)
    changes = {"listen 80;": f"listen 127.0.0.1:{plain};", "listen 443 ": f"listen 127.0.0.1:{secure} "}
    changes |= {"127.0.0.1:8000": service.removeprefix("http://")}
    changes |= {
        f"/etc/nginx/tls/{NAME}.{end}": str(folder / name) for end, name in (("crt", "certificate"), ("key", "key"))
    }
    for old, new in changes.items():
        assert site.count(old) == 1, old
        site = site.replace(old, new)
    (folder / "site").write_text(site, encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=getpass.getuser()), encoding="utf-8")
    return ["nginx", "-e", str(folder / "errors"), "-p", str(folder), "-c", str(folder / "nginx.conf")], plain, secure


@contextmanager
def proxy(folder: Path, service: str) -> Iterator[Callable[..., httpx.Response]]:
    """nginx in front of a service; asked by the name of the site, whose certificate is checked."""
    command, plain, secure = configured(folder, service)
    # Names are looked up nowhere: the connection goes to this machine, the name into TLS and the headers.
    context = ssl.create_default_context(cafile=folder / "certificate")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            until(lambda: listens(secure) or running.poll() is not None)
            assert running.poll() is None, (folder / "errors").read_text()
            with httpx.Client(verify=context, timeout=PATIENCE) as client:

                def ask(method: str, path: str, *, tls: bool = True, **more: object) -> httpx.Response:
                    url = f"https://127.0.0.1:{secure}{path}" if tls else f"http://127.0.0.1:{plain}{path}"
                    headers = {"host": NAME, **more.pop("headers", {})}  # type: ignore[dict-item]
                    sni = {"sni_hostname": NAME}
                    stream = more.pop("stream", False)
                    request = client.build_request(method, url, headers=headers, extensions=sni, **more)
                    return client.send(request, stream=bool(stream))

                yield ask
        finally:
            running.terminate()


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@needs_nginx
def test_nginx_takes_it_and_sees_a_mistake(tmp_path: Path) -> None:
    command, *_ = configured(tmp_path, "http://127.0.0.1:8000")
    assert subprocess.run([*command, "-t"], capture_output=True, check=False).returncode == 0
    site = tmp_path / "site"
    site.write_text(site.read_text(encoding="utf-8").replace("proxy_read_timeout", "proxy_reed_timeout"))
    assert subprocess.run([*command, "-t"], capture_output=True, check=False).returncode != 0


@needs_nginx
def test_pictures_go_through_it(tiny_system: Path, tmp_path: Path) -> None:
    token = "of-sixteen-letters"
    access = Access(token=token, origins=(f"https://{NAME}",))
    limits = Limits(max_bytes=3_000_000, seconds=PATIENCE)
    large = photo(side=900)  # more than nginx holds in memory
    assert 2**20 < len(large) < limits.max_bytes
    with serving(tiny_system, limits, access) as service, proxy(tmp_path, service.url) as ask:
        headers = {"authorization": f"Bearer {token}", "origin": f"https://{NAME}"}
        answer = ask("POST", "/v1/restore", headers=headers, files={"file": ("a.png", large)})
        direct = service.post(picture=large, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.content) == (200, direct.content)
        assert answer.headers["x-darnet-experts"] == "noise"
        assert ask("GET", "/v1/experts").status_code == 401
        other = {**headers, "origin": "https://elsewhere.example"}
        assert ask("POST", "/v1/restore", headers=other, files={"file": ("a.png", photo())}).status_code == 403
        refused = ask("POST", "/v1/restore", headers=headers, files={"file": ("a.png", bytes(4_000_000))})
        assert (refused.status_code, refused.headers["content-type"]) == (413, "application/problem+json")
        assert ask("GET", "/health").json() == {"status": "ok"}
        assert ask("GET", "/metrics", headers=headers).status_code == 404
        moved = ask("POST", "/v1/restore", tls=False)
        assert (moved.status_code, moved.headers["location"]) == (308, f"https://{NAME}/v1/restore")


class Events(BaseHTTPRequestHandler):
    """Says one line, and the next once somebody has seen it."""

    seen = Event()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("X-Darnet-Plan", "p" * HEADER_CHARACTERS)
        self.send_header("X-Darnet-Warnings", "w" * HEADER_CHARACTERS)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: 1\n\n")
        self.wfile.flush()
        self.wfile.write(b"data: 2\n\n" if self.seen.wait(10) else b"data: late\n\n")

    def log_message(self, *_: object) -> None:
        pass


@needs_nginx
def test_events_are_passed_on_as_they_come(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Events) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with proxy(tmp_path, f"http://127.0.0.1:{server.server_port}") as ask:
            said = list[str]()
            answer = ask("GET", "/v1/jobs/0123/events", stream=True)
            for line in answer.iter_lines():
                said.append(line)
                Events.seen.set()
            assert answer.status_code == 200  # with headers as large as darnet's may be
            assert said == ["data: 1", "", "data: 2", ""]
        server.shutdown()
