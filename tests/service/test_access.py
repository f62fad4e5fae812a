"""Who may ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.errors import UsageError
from darnet.service.access import Access, read_token

TOKEN = "0123456789abcdef"
OTHERS = ("example.org", "127.0.0.1.example.org", "localhost@example.org", "", "a/b", "\0")
MALFORMED = ("[", "[::1", "a@127.0.0.1", "127.0.0.1:abc", "localhost:99999")


def refused(access: Access, path: str = "/v1/restore", **headers: str) -> int | None:
    answer = access.refuses(path, {"host": "127.0.0.1:8000", **headers})
    return answer and answer[0]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "localhost:1", "[::1]:8000"])
def test_this_machine_is_called_so(host) -> None:
    assert refused(Access(), host=host) is None
    assert refused(Access(host="::1"), host=host) is None


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost@example.org", "", "a/b", "\0", *MALFORMED]
)
def test_a_name_that_leads_here_is_refused(host) -> None:
    """Whoever asks in a page's name, which its owner made lead to this machine."""
    assert refused(Access(), host=host) == 403
    assert refused(Access(origins=("https://example.org",)), host="example.org") is None
    assert refused(Access(host="0.0.0.0"), host="example.org") is None  # may be called as it likes


def test_pages_of_others_are_refused() -> None:
    assert refused(Access(), origin="http://127.0.0.1:8000") is None
    for other in ("https://example.org", "http://127.0.0.1:9000", "https://127.0.0.1:8000", "null", ""):
        assert refused(Access(), origin=other) == 403
    assert refused(Access(origins=("https://example.org",)), origin="https://example.org") is None


def test_a_token_is_compared_whole() -> None:
    access = Access(token=TOKEN)
    assert refused(access, authorization=f"Bearer {TOKEN}") is None
    assert refused(access, authorization=f"bearer  {TOKEN}") is None
    for wrong in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer", "Bearer ä"):
        assert refused(access, authorization=wrong) == 401
    assert refused(access, "/health") is refused(access, "/ready") is None
    assert refused(access, "/metrics") == refused(access, "/nothing") == 401


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://example.org/a", "", "*"])
def test_what_is_no_origin_is_refused(origin) -> None:
    with pytest.raises(UsageError, match="expected scheme and host"):
        Access(origins=(origin,))


def held(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_token_is_a_line_of_a_file(tmp_path) -> None:
    assert read_token(held(tmp_path, f"{TOKEN}\n".encode())) == TOKEN


@pytest.mark.parametrize(
    ("data", "mode", "said"),
    [
        (b"short\n", 0o600, "at least 16"),
        (b"", 0o600, "at least 16"),
        (b"0123456789abcdef 0123456789\n", 0o600, "without blanks"),
        (b"0123456789abcdef\n0123456789abcdef\n", 0o600, "a line"),
        ("0123456789abcdefä".encode(), 0o600, "ASCII"),
        (b"\xff\xfe", 0o600, "no text"),
        (TOKEN.encode(), 0o644, "others may read it; chmod 600"),
    ],
)
def test_a_file_without_a_token_is_refused(tmp_path, data, mode, said) -> None:
    with pytest.raises(UsageError) as raised:
        read_token(held(tmp_path, data, mode))
    assert said in str(raised.value)
    assert "token_file=" in str(raised.value)


def test_a_token_that_is_not_there_is_said(tmp_path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_token(tmp_path / "gone")
