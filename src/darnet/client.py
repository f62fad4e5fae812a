"""Client: asks a service that runs somewhere. Importing this module does not import httpx."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack

from darnet.errors import ImageError, ServiceError, named, refusal
from darnet.files import unfinished
from darnet.registry import kinds_of, optional

if TYPE_CHECKING:
    import httpx

#: A picture's file, or what is in one.
Sent: TypeAlias = str | Path | bytes
#: What passes by itself: no room, and a worker that died or is still to start.
PASSING = (429, 503)
#: However long a service says that it is to be waited for.
LONGEST_PAUSE_SECONDS = 30.0


class RestoreOptions(TypedDict, total=False):
    """What `Client.restore` takes besides the picture; as a form of the service has it, and `darnet restore`."""

    kinds: str | Iterable[str]
    strength: float | Mapping[str, float]
    luma: float
    chroma: float
    format: str
    quality: int
    bit_depth: Literal["auto", "8", "16"]
    metadata: Literal["keep", "strip"]
    icc: Literal["keep", "srgb"]
    first: bool
    max_steps: int
    min_confidence: float


@dataclass(frozen=True)
class Restored:
    """A picture as a service answers it: the bytes of its file, and what was done.

    `plan`: what was to be repaired, in order, as `Repair.to_dict` has it. `experts`: who repaired it, in order.
    `changed`: whether it differs from what was sent. `media_type`: such as image/jpeg.
    """

    data: bytes = field(repr=False)
    media_type: str
    plan: tuple[dict[str, Any], ...]
    experts: tuple[str, ...]
    changed: bool
    warnings: tuple[str, ...]

    def save(self, path: Path | str) -> Path:
        """Write the file at once or not at all, as it came, whatever its suffix says. Raises ImageError."""
        path = Path(path)
        try:
            with unfinished(path) as temporary:
                temporary.write_bytes(self.data)
        except OSError as error:
            raise ImageError(path, refusal(error)) from None
        return path


class Client:
    """Asks a service (`darnet serve`) to restore and to diagnose. It may be used by several threads at once.

    `token`: what the service asks for. `seconds`: for one answer, queue and work included. `retries`: how often it asks
    again where there is no room (429), or no worker (503), after the pause that the service names.

    Raises MissingPackageError where httpx is not installed. Every call raises ServiceError: for what the service
    refuses, with its status, and where none can be reached.

    Example:
        >>> import darnet
        >>> with darnet.Client("http://127.0.0.1:1", retries=0) as client:
        ...     try:
        ...         client.experts()
        ...     except darnet.DarnetError as error:
        ...         print(error.exit_code)
        1
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        seconds: float = 120.0,
        retries: int = 5,
    ) -> None:
        self._httpx = optional("httpx", "client")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http: httpx.Client = self._httpx.Client(base_url=url, headers=headers, timeout=seconds)
        self._retries = retries

    def restore(self, picture: Sent, **options: Unpack[RestoreOptions]) -> Restored:
        """Find out what is wrong with a picture, and repair it; in the format it came in, unless told otherwise.

        Raises ImageError for a file that cannot be read, ServiceError as the class says.
        """
        answer = self._post("/v1/restore", picture, _form(options))
        said = answer.headers
        return Restored(
            data=answer.content,
            media_type=said["content-type"],
            plan=tuple(json.loads(said["x-darnet-plan"])),
            experts=tuple(filter(None, said["x-darnet-experts"].split(", "))),
            changed=said["x-darnet-changed"] == "true",
            warnings=tuple(json.loads(said["x-darnet-warnings"])),
        )

    def diagnose(self, picture: Sent) -> dict[str, Any]:
        """What is wrong with a picture: `diagnosis`, with the plan, and `warnings`. Raises as `restore` does."""
        found: dict[str, Any] = self._post("/v1/diagnose", picture, {}).json()
        return found

    def experts(self) -> list[dict[str, Any]]:
        """Who restores: the router, and an expert for each kind of damage. Raises ServiceError."""
        system: list[dict[str, Any]] = self._ask("GET", "/v1/experts").json()["system"]
        return system

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _post(self, path: str, picture: Sent, form: Mapping[str, Any]) -> httpx.Response:
        data = picture if isinstance(picture, bytes) else _read(Path(picture))
        return self._ask("POST", path, files={"file": data}, data=form)

    def _ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        """The answer, once there is one. Raises ServiceError."""
        for left in range(self._retries, -1, -1):
            try:
                answer = self._http.request(method, path, **what)
            except self._httpx.HTTPError as error:
                raise ServiceError(f"{named(str(self._http.base_url))}: {error or type(error).__name__}") from None
            if answer.status_code not in PASSING or not left:
                break
            time.sleep(_pause(answer.headers.get("retry-after", "")))
        if answer.is_success:
            return answer
        raise ServiceError(_reason(answer), answer.status_code)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def _form(options: RestoreOptions) -> dict[str, Any]:
    """The fields of a form."""
    form: dict[str, Any] = {name: str(value) for name, value in options.items()}
    if "kinds" in options:
        form["as"] = ",".join(kinds_of(options["kinds"]))
        del form["kinds"]
    strength = options.get("strength")
    if isinstance(strength, Mapping):
        form["strength"] = ",".join(f"{kind}={share}" for kind, share in strength.items())
    return form


def _pause(said: str) -> float:
    """How long to wait, in seconds.

    >>> _pause("2"), _pause("9999"), _pause("soon")
    (2.0, 30.0, 1.0)
    """
    return min(float(said), LONGEST_PAUSE_SECONDS) if said.isdecimal() else 1.0


def _reason(answer: httpx.Response) -> str:
    """What a service says of a refusal."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
