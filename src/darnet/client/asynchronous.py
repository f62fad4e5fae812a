"""AsyncClient: asks a service, and others work until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
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


class AsyncClient:
    """What `Client` is, for asyncio: the same arguments, methods and errors.

    Example:
        >>> import asyncio, darnet
        >>> async def count() -> int:
        ...     async with darnet.AsyncClient("http://127.0.0.1:1", retries=0) as client:
        ...         return len(await client.experts())
        >>> try:
        ...     asyncio.run(count())
        ... except darnet.DarnetError as error:
        ...     print(error.exit_code)
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
        made = optional("httpx", "client").AsyncClient
        self._http: httpx.AsyncClient = made(base_url=url, headers=headers, timeout=seconds)
        self._retries = retries

    async def restore(self, picture: Sent, mask: Sent | None = None, **options: Unpack[RestoreOptions]) -> Restored:
        """Find out what is wrong with a picture, and repair it; in the format it came in, unless told otherwise.

        `mask`: a picture of the same size, white where it is to be repaired.
        Raises ImageError for a file that cannot be read, ServiceError as the class says.
        """
        return await self._ask(questions.restoring(picture, mask, options))

    async def diagnose(self, picture: Sent) -> dict[str, Any]:
        """What is wrong with a picture: `diagnosis`, with the plan, and `warnings`. Raises as `restore` does."""
        return await self._ask(questions.diagnosing(picture))

    async def experts(self) -> list[dict[str, Any]]:
        """Who restores: the router, and an expert for each kind of damage. Raises ServiceError."""
        return await self._ask(questions.listing())

    async def submit(self, pictures: Iterable[Sent], **options: Unpack[RestoreOptions]) -> RemoteJob:
        """Send many pictures at once, which the service restores one after the other. Raises as `restore` does."""
        return await self._ask(questions.submitting(pictures, options))

    async def job(self, job: RemoteJob | str) -> RemoteJob:
        """What became of a job so far; it may be named by its id. Raises ServiceError, 404: it is no longer there."""
        return await self._ask(questions.looking(job))

    async def events(self, job: RemoteJob | str) -> AsyncIterator[RemoteFile]:
        """Each change of each of its files, from the first on, until all is over; where it breaks off it is gone on.

        That may happen any number of times; `retries` counts those after which nothing new came.
        Raises ServiceError, where it could not be gone on too.
        """
        following = Following(job, self._retries)
        while True:
            broken: ServiceError | None = None
            try:
                async with self._opened(following.question()) as answer:
                    async for line in answer.aiter_lines():
                        if (file := following.heard(line)) is not None:
                            yield file
            except ServiceError as error:
                broken = error
            if following.broken(broken):
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def result(self, job: RemoteJob | str, number: int) -> Restored:
        """A picture of a job, once it is done. Raises ServiceError, 409: it is not."""
        return await self._ask(questions.fetching(job, number))

    async def download(self, job: RemoteJob | str, path: Path | str) -> Path:
        """All that a job has become, as a ZIP file that is written as it comes: once the job has ended.

        Raises ServiceError, 409: it has not; ImageError where the file cannot be written.
        """
        async with self._opened(questions.archiving(job)) as answer:
            with written(path) as file:
                async for part in answer.aiter_bytes():
                    file.write(part)
        return Path(path)

    async def cancel(self, job: RemoteJob | str) -> None:
        """End a job, and delete what has become of it. Raises ServiceError."""
        await self._ask(questions.cancelling(job))

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, question: Question[Told]) -> Told:
        """What the answer means, once there is one. Raises ServiceError."""
        with question.request() as how:
            for left in range(self._retries, -1, -1):
                with reaching(self._http.base_url):
                    answer = await self._http.request(**how)
                if (seconds := pause(answer, left)) is None:
                    break
                await asyncio.sleep(seconds)
        return question.told(answer)

    @asynccontextmanager
    async def _opened(self, question: Question[None]) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to come. Raises ServiceError."""
        with question.request() as how, reaching(self._http.base_url):
            async with self._http.stream(**how) as answer:
                if not answer.is_success:
                    await answer.aread()
                question.told(answer)
                yield answer
