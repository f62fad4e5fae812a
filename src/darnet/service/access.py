"""Access: who may ask a service. Importing this module imports neither torch nor fastapi."""

from __future__ import annotations

import hmac
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from darnet.errors import UsageError, refusal

#: What is answered without a token: that the service lives, its pages and its interface say nothing of anybody.
OPEN = frozenset({"/health", "/ready", "/", "/docs", "/openapi.json"})
#: Where the files of that page are.
PAGE = "/page/"
#: Of a token, which nobody guesses then.
LEAST_CHARACTERS = 16
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Access:
    """Who may ask. `token`: what must be sent as `Authorization: Bearer …`, None: nothing. `host`: where it listens.

    A browser says which page a request comes from (`Origin`): it must be this service's own, or one of `origins`. Where
    it listens on this machine alone it must also be called so (`Host`), or as one of `origins`: else any page could
    reach it, by a name of its own that leads here (DNS rebinding).

    Raises UsageError for an origin that is none.

    >>> Access().refuses("/v1/experts", {"host": "127.0.0.1:8000", "origin": "https://example.org"})
    (403, 'a page of https://example.org may not ask this service')
    """

    host: str = "127.0.0.1"
    token: str | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise UsageError for an origin that is none."""
        for origin in self.origins:
            parts = urlsplit(origin)
            if not (parts.scheme and parts.netloc) or parts.path or parts.query or parts.fragment:
                raise UsageError(f"`origins={[origin]}`: expected scheme and host, such as https://photos.example.org")

    def refuses(self, path: str, headers: Mapping[str, str], scheme: str = "http") -> tuple[int, str] | None:
        """Why a request is refused, with its status; None where it is not."""
        host, origin = headers.get("host", ""), headers.get("origin")
        ours = {f"{scheme}://{host}", *self.origins}
        if _is_local(self.host) and not self._called_so(host):
            return 403, "this service listens on its own machine, and is not called so"
        if origin is not None and origin not in ours:
            return 403, f"a page of {origin} may not ask this service"
        if self.token is not None and path not in OPEN and not path.startswith(PAGE):
            scheme_given, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode(), self.token.encode())
            if scheme_given.lower() != "bearer" or not right:
                return 401, "a token is needed: `Authorization: Bearer …`"
        return None

    def _called_so(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name = parts.hostname if parts.netloc == host and "@" not in host and parts.port != 0 else None
        except ValueError:  # no host and port
            return False
        return name in LOCAL or name in {urlsplit(origin).hostname for origin in self.origins} or name == self.host


def _is_local(host: str) -> bool:
    try:
        return host in LOCAL or ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token that a file holds, on its only line. Raises UsageError for a file without one.

    It has at least LEAST_CHARACTERS, and a file that others may read is refused.
    """
    where = f"`token_file={str(path)!r}`"
    try:
        token, mode = path.read_text(encoding="utf-8").strip(), path.stat().st_mode
    except OSError as error:
        raise UsageError(f"{where}: {refusal(error)}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: no text") from None
    if len(token) < LEAST_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        what = f"a line of at least {LEAST_CHARACTERS} ASCII characters, without blanks"
        raise UsageError(f"{where}: expected {what}")
    if mode & stat.S_IRWXO:
        raise UsageError(f"{where}: others may read it; chmod 600")
    return token
