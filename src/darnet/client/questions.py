"""Questions: what can be asked of a service, and what its answers mean, however they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from darnet.client.results import RemoteFile, RemoteJob, Restored, RestoreOptions, Sent
from darnet.errors import ImageError, ServiceError, UsageError, named, refusal
from darnet.registry import kinds_of, optional

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

Told = TypeVar("Told")
#: What passes by itself: no room, and a worker that died or is still to start.
PASSING = (429, 503)
#: However long a service says that it is to be waited for; and how long where it does not say.
LONGEST_PAUSE_SECONDS, PAUSE_SECONDS = 30.0, 1.0


@dataclass(frozen=True)
class Question(Generic[Told]):
    """A request, and what its answer means where it is a success."""

    method: str
    path: str
    means: Callable[[httpx.Response], Told]
    pictures: Sequence[Sent] = ()
    form: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    mask: Sent | None = None

    @contextmanager
    def request(self) -> Iterator[dict[str, Any]]:
        """What httpx takes, as often as it is to be sent; its files are open meanwhile. Raises ImageError."""
        how: dict[str, Any] = {"method": self.method, "url": self.path, "headers": self.headers}
        with ExitStack() as held:
            files = [("file", _part(number, sent, held)) for number, sent in enumerate(self.pictures, 1)]
            files += [("mask", _part(0, self.mask, held))] if self.mask is not None else []
            yield how | ({"files": files, "data": self.form} if files else {})

    def told(self, answer: httpx.Response) -> Told:
        """What an answer means. Raises ServiceError where it is no success."""
        if answer.is_success:
            return self.means(answer)
        raise ServiceError(_reason(answer), answer.status_code)


def restoring(picture: Sent, mask: Sent | None, options: RestoreOptions) -> Question[Restored]:
    """A picture repaired, where a mask says."""
    return Question("POST", "/v1/restore", _restored, (picture,), _form(options), mask=mask)


def diagnosing(picture: Sent) -> Question[dict[str, Any]]:
    """What is wrong with one."""
    return Question("POST", "/v1/diagnose", lambda answer: dict(answer.json()), (picture,))


def listing() -> Question[list[dict[str, Any]]]:
    """Who restores."""
    return Question("GET", "/v1/experts", lambda answer: list(answer.json()["system"]))


def submitting(pictures: Iterable[Sent], options: RestoreOptions) -> Question[RemoteJob]:
    """A job of many pictures. Raises UsageError for a single one, whose letters or bytes nobody means."""
    if isinstance(pictures, str | bytes):
        raise UsageError("`pictures`: expected several, in a list")
    return Question("POST", "/v1/jobs", _job, tuple(pictures), _form(options))


def looking(job: RemoteJob | str) -> Question[RemoteJob]:
    """What became of a job so far."""
    return Question("GET", _path(job), _job)


def fetching(job: RemoteJob | str, number: int) -> Question[Restored]:
    """A picture of a job."""
    return Question("GET", f"{_path(job)}/files/{number}", _restored)


def archiving(job: RemoteJob | str) -> Question[None]:
    """All of them; the body is the archive."""
    return Question("GET", f"{_path(job)}/zip", lambda answer: None)


def cancelling(job: RemoteJob | str) -> Question[None]:
    """The end of a job."""
    return Question("DELETE", _path(job), lambda answer: None)


class Following:
    """The events of a job as their lines come; `had`: the id of the last; `ended`: whether none will follow.

    `retries`: how often it is gone on where nothing new comes.
    """

    def __init__(self, job: RemoteJob | str, retries: int) -> None:
        self.had, self.ended = "", False
        self._retries = self._left = retries
        self._since = ""
        self._path = f"{_path(job)}/events"
        self._fields = dict[str, str]()

    def question(self) -> Question[None]:
        """All that is still to come; the body are the lines."""
        headers = {"Last-Event-ID": self.had} if self.had else {}
        self._fields.clear()
        return Question("GET", self._path, self._answered, headers=headers)

    def heard(self, line: str) -> RemoteFile | None:
        """The file that an event is of, where the line ends one."""
        name, _, value = line.partition(":")
        if line:
            self._fields[name] = value.removeprefix(" ")
            return None
        event, self._fields = self._fields, {}
        self.had = event.get("id", self.had)
        self.ended |= event.get("event") == "end"
        return RemoteFile.of(json.loads(event["data"])) if event.get("event") == "file" else None

    def broken(self, error: ServiceError | None = None) -> bool:
        """Whether all is over, now that the connection is. Raises the error, or one, where going on is of no use."""
        if self.ended:
            return True
        if self.had != self._since:
            self._since, self._left = self.had, self._retries
        if not self._left or (error is not None and error.status is not None):
            raise error or ServiceError("the events of the job break off")
        self._left -= 1
        return False

    def _answered(self, answer: httpx.Response) -> None:
        self.ended |= answer.status_code == 204  # nothing is still to come


def pause(answer: httpx.Response, left: int) -> float | None:
    """After how many seconds to ask again, where that helps and may be done `left` times more; else None."""
    if answer.status_code not in PASSING or not left:
        return None
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE_SECONDS) if said.isdecimal() else PAUSE_SECONDS


@contextmanager
def reaching(url: httpx.URL) -> Iterator[None]:
    """Whatever keeps a service from answering is a ServiceError without a status."""
    try:
        yield
    except optional("httpx", "client").HTTPError as error:
        raise ServiceError(f"{named(str(url))}: {error or type(error).__name__}") from None


def _path(job: RemoteJob | str) -> str:
    return f"/v1/jobs/{quote(job if isinstance(job, str) else job.id, safe='')}"


def _part(number: int, sent: Sent, held: ExitStack) -> tuple[str, Any]:
    """A file of a form, with its name."""
    if isinstance(sent, bytes):
        return f"picture-{number}", sent
    try:
        return Path(sent).name, held.enter_context(Path(sent).open("rb"))
    except OSError as error:
        raise ImageError(sent, refusal(error)) from None


def _form(options: RestoreOptions) -> dict[str, str]:
    """The fields of a form."""
    form = {name: str(value) for name, value in options.items()}
    if "kinds" in options:
        form["as"] = ",".join(kinds_of(options["kinds"]))
        del form["kinds"]
    strength = options.get("strength")
    if isinstance(strength, Mapping):
        form["strength"] = ",".join(f"{kind}={share}" for kind, share in strength.items())
    return form


def _restored(answer: httpx.Response) -> Restored:
    said = answer.headers
    return Restored(
        data=answer.content,
        media_type=said["content-type"],
        plan=tuple(json.loads(said["x-darnet-plan"])),
        experts=tuple(filter(None, said["x-darnet-experts"].split(", "))),
        changed=said["x-darnet-changed"] == "true",
        warnings=tuple(json.loads(said["x-darnet-warnings"])),
    )


def _job(answer: httpx.Response) -> RemoteJob:
    return RemoteJob.of(answer.json())


def _reason(answer: httpx.Response) -> str:
    """What a service says of a refusal."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
