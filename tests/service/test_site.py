"""The page of a service: its files, and what a browser may do with it. `test_page.py` is in a browser."""

from __future__ import annotations

import re

import pytest

from darnet.service.access import Access
from darnet.service.site import assets

BUDGET_BYTES = 200_000


def test_all_of_it_fits_the_budget():
    assert sum(len(content) for content, _ in assets().values()) < BUDGET_BYTES


def test_every_file_that_a_file_names_is_there():
    named = {
        (name, found)
        for name, (content, _) in assets().items()
        for found in re.findall(r"""(?:"/page/|from "\./|\burl\("?)([\w.-]+)""", content.decode())
    }
    assert ("index.html", "app.js") in named
    assert ("app.js", "viewer.js") in named
    assert {found for _, found in named} <= {*assets()}
    assert {*assets()} == {"index.html", "reference.html"} | {found for _, found in named}


def test_nothing_comes_from_another_host():
    for name, (content, _) in assets().items():
        addresses = set(re.findall(rb"https?://[^\s\"'`)]+", content)) - {b"http://www.w3.org/2000/svg"}
        assert not addresses, name


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/docs", "text/html"), ("/page/app.js", "text/javascript")]
)
def test_a_browser_may_load_its_files_and_ask_its_service_alone(service, path, kind):
    got = service.get(path)
    assert (got.status_code, got.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    assert "script-src 'self'; " in got.headers["content-security-policy"]
    assert "unsafe" not in got.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["nothing.js", "client-zip.LICENSE.txt", "..%2Fsite.py", "%2e%2e/app.py", ""])
def test_nothing_else_is_given_away(service, name):
    assert service.get(f"/page/{name}").status_code == 404


def test_the_page_is_open_and_what_it_asks_for_is_not(serve):
    service = serve(access=Access(token="long enough a token"))
    assert service.get("/").status_code == service.get("/page/app.js").status_code == 200
    assert service.get("/docs").status_code == service.get("/openapi.json").status_code == 200
    assert service.get("/v1/experts").status_code == 401
    assert service.get("/pages").status_code == service.get("/page").status_code == 401
