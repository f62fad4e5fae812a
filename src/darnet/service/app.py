"""The service as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from darnet.service import jobs
from darnet.service.access import Access
from darnet.service.batches import Batches
from darnet.service.gate import JOBS, Gate
from darnet.service.limits import Limits
from darnet.service.metrics import Metrics
from darnet.service.pool import Pool
from darnet.service.problems import on_invalid, on_refusal
from darnet.service.routes import Desk, Part, router
from darnet.service.site import site
from darnet.systems.listing import parts, summary
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec


def create_app(spec: RestorerSpec, limits: Limits, access: Access) -> FastAPI:
    """A service whose workers build the restorer that a spec describes; they live as long as its lifespan.

    What it answers is told at `/openapi.json` and `/docs`; FastAPI's own page comes from another host, and is off.
    Raises UnknownNameError or WeightsError for a system that is none.
    """
    listed = [Part(**summary(role, folder)) for role, folder in parts(spec.system).items()]
    pool = Pool(spec, limits)
    metrics = Metrics(pool)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # says which byte of a form was unexpected

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with TemporaryDirectory(prefix="darnet-") as folder:  # nobody else may look into it
            app.state.desk = Desk(pool, limits, metrics, Path(folder), listed)
            app.state.batches = Batches(app.state.desk)
            pool.start()
            try:
                yield
            finally:
                await app.state.batches.close()
                await pool.close()

    app = FastAPI(
        title="darnet",
        version=__version__,
        description="Finds out what is wrong with a photo and repairs it.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.pool = pool

    def of_jobs() -> AbstractContextManager[None]:
        batches: Batches = app.state.batches  # which there are since its lifespan began
        return batches.place()

    places = {"/v1/restore": pool.place, "/v1/diagnose": pool.place, JOBS: of_jobs}
    app.add_middleware(Gate, access=access, limits=limits, places=places, metrics=metrics)
    app.add_exception_handler(HTTPException, on_refusal)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.include_router(router)
    app.include_router(jobs.router)
    app.include_router(site)
    return app
