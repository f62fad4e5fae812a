"""Client: asks a service, and waits for its answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from darnet.client import questions
from darnet.client.questions import PAUSE_SECONDS, Following, Question, Told, pause, reaching
from darnet.client.results import RemoteFile, RemoteJob, Restored, RestoreOptions, Sent, written
from darnet.errors import ServiceError
from darnet.registry import optional

if TYPE_CHECKING:
    import httpx


class Client:
    """Asks a service (`darnet serve`) to restore and to diagnose. It may be used by several threads at once.

    `token`: what the service asks for. `seconds`: for one answer, queue and work included. `retries`: how often it asks
    again where there is no room (429), or no worker (503), after the pause that the service names.

    Raises MissingPackageError where httpx is not installed. Every call raises ServiceError: for what the service
    refuses, with its status, and where none can be reached. `AsyncClient` is the same for asyncio.

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
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http: httpx.Client = optional("httpx", "client").Client(base_url=url, headers=headers, timeout=seconds)
        self._retries = retries

    def restore(self, picture: Sent, mask: Sent | None = None, **options: Unpack[RestoreOptions]) -> Restored:
        """Find out what is wrong with a picture, and repair it; in the format it came in, unless told otherwise.

        `mask`: a picture of the same size, white where it is to be repaired.
        Raises ImageError for a file that cannot be read, ServiceError as the class says.
        """
        return self._ask(questions.restoring(picture, mask, options))

    def diagnose(self, picture: Sent) -> dict[str, Any]:
        """What is wrong with a picture: `diagnosis`, with the plan, and `warnings`. Raises as `restore` does."""
        return self._ask(questions.diagnosing(picture))

    def experts(self) -> list[dict[str, Any]]:
        """Who restores: the router, and an expert for each kind of damage. Raises ServiceError."""
        return self._ask(questions.listing())

    def submit(self, pictures: Iterable[Sent], **options: Unpack[RestoreOptions]) -> RemoteJob:
        """Send many pictures at once, which the service restores one after the other. Raises as `restore` does."""
        return self._ask(questions.submitting(pictures, options))

    def job(self, job: RemoteJob | str) -> RemoteJob:
        """What became of a job so far; it may be named by its id. Raises ServiceError, 404: it is no longer there."""
        return self._ask(questions.looking(job))

    def events(self, job: RemoteJob | str) -> Iterator[RemoteFile]:
        """Each change of each of its files, from the first on, until all is over; where it breaks off it is gone on.

        That may happen any number of times; `retries` counts those after which nothing new came.
        Raises ServiceError, where it could not be gone on too.
        """
        following = Following(job, self._retries)
        while True:
            broken: ServiceError | None = None
            try:
                with self._opened(following.question()) as answer:
                    yield from filter(None, map(following.heard, answer.iter_lines()))
            except ServiceError as error:
                broken = error
            if following.broken(broken):
                return
            time.sleep(PAUSE_SECONDS)

    def result(self, job: RemoteJob | str, number: int) -> Restored:
        """A picture of a job, once it is done. Raises ServiceError, 409: it is not."""
        return self._ask(questions.fetching(job, number))

    def download(self, job: RemoteJob | str, path: Path | str) -> Path:
        """All that a job has become, as a ZIP file that is written as it comes: once the job has ended.

        Raises ServiceError, 409: it has not; ImageError where the file cannot be written.
        """
        with self._opened(questions.archiving(job)) as answer, written(path) as file:
            for part in answer.iter_bytes():
                file.write(part)
        return Path(path)

    def cancel(self, job: RemoteJob | str) -> None:
        """End a job, and delete what has become of it. Raises ServiceError."""
        self._ask(questions.cancelling(job))

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, question: Question[Told]) -> Told:
        """What the answer means, once there is one. Raises ServiceError."""
        with question.request() as how:
            for left in range(self._retries, -1, -1):
                with reaching(self._http.base_url):
                    answer = self._http.request(**how)
                if (seconds := pause(answer, left)) is None:
                    break
                time.sleep(seconds)
        return question.told(answer)

    @contextmanager
    def _opened(self, question: Question[None]) -> Iterator[httpx.Response]:
        """An answer whose body is still to come. Raises ServiceError."""
        with question.request() as how, reaching(self._http.base_url), self._http.stream(**how) as answer:
            if not answer.is_success:
                answer.read()
            question.told(answer)
            yield answer
