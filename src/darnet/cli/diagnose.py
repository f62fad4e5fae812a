"""`darnet diagnose`: what is wrong with each picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from darnet.cli import options as o
from darnet.cli.flags import spoken
from darnet.cli.lines import Line
from darnet.cli.session import Attempt, Session, as_json
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.images.image import Image
    from darnet.jobs.inputs import Found
    from darnet.jobs.outputs import Task
    from darnet.restore.restorer import Restorer
    from darnet.restore.result import Result, Treatment


def diagnose(  # noqa: PLR0913, PLR0917  one parameter an option
    inputs: o.Inputs,
    json: o.AsJson = False,
    max_pixels: o.MaxPixels = None,
    max_memory: o.MaxMemory = None,
    recursive: o.Recursive = False,
    device: o.Device = "auto",
    precision: o.Precision = "auto",
    backend: o.Backend = "auto",
    model: o.Model = "darnet",
    output: o.HeatMap = None,
    overwrite: o.Overwrite = False,
) -> int:
    """Say what is wrong with pictures, without changing anything."""
    session = Session()
    with o.no_collection():
        from darnet.images.budget import observed
        from darnet.images.formats import MAX_PIXELS
        from darnet.jobs.inputs import MAP, Search

        search = Search(MAP, recursive, output)(inputs)
        session.leave_out(search.left_out)
        for name, reason in search.missing:
            session.fail(name, reason)
            if json:
                print(as_json(_entry(name, Attempt(spoken(reason)))))
        if not search.sources:
            return session.finish(0)
        maps: Iterable[Task | None] = repeat(None) if output is None else _maps(output, search)
        from darnet.systems.spec import RestorerSpec

        restorer = RestorerSpec(
            system=model, device=device, precision=precision, backend=backend, max_memory=max_memory
        ).build()
    for source, task in session.each(zip(search.sources, maps, strict=False), len(search.sources)):
        treatment, drawn = None, None
        with observed(restorer.budget), session.attempt(source.name, source.path) as attempt:
            if task is not None:
                task.check(overwrite=overwrite)
            image = source.picture(max_pixels or MAX_PIXELS, "first")
            result = restorer(image, strength=0)  # looks, and says what speaks against a repair
            treatment = result.treatment
            for text in result.warnings:
                attempt.warn(text)
            if task is not None:
                drawn = _draw(task, restorer, result, attempt)
        if json:
            session.say(as_json(_entry(source.name, attempt, treatment, drawn)))
        elif treatment is not None and (found := treatment.diagnosis) is not None:
            action = f"to repair: {', then '.join(map(str, treatment.plan))}" if treatment.plan else ""
            session.say(Line(source.name, str(found), action, hue="yellow" if found.present else "green"))
            session.count(found.label)
    return session.finish(search.total)


def _entry(name: str, attempt: Attempt, treatment: Treatment | None = None, drawn: str | None = None) -> dict[str, Any]:
    """What is known of a picture, for JSON; `drawn`: where its heat map lies."""
    found = None if treatment is None else treatment.findings
    said = list(map(spoken, attempt.warnings))
    return {"input": name, "diagnosis": found, "map": drawn, "warnings": said, "error": attempt.error}


def _maps(path: str, found: Found) -> Sequence[Task]:
    """Where the heat map of each picture goes, in their order. Raises UsageError, before any work."""
    from darnet.jobs.inputs import MAP
    from darnet.jobs.outputs import Destination, to_stdout

    tasks = Destination(path, MAP).plan(found)
    if to_stdout(tasks):
        raise UsageError("--map: stdout holds what is said; give a file or a folder")
    return tasks


def _draw(task: Task, restorer: Restorer, result: Result[Image], attempt: Attempt) -> str | None:
    """Write the heat map of a picture that was diagnosed; returns where it lies. That there is none is no failure."""
    from darnet.jobs.paths import make_folder

    try:
        drawing = restorer.heat_map(result.source, diagnosis=result.diagnosis)
    except UsageError as nothing:
        attempt.warn(str(nothing))
        return None
    make_folder(task.output)
    drawing.write(task.output)
    return task.name
