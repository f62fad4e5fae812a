"""`darnet diagnose`: what is wrong with each picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darnet.cli import options as o
from darnet.cli.flags import spoken
from darnet.cli.lines import Line
from darnet.cli.session import Session, as_json
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.images.image import Image
    from darnet.jobs.inputs import Found, Source
    from darnet.jobs.outputs import Task
    from darnet.restore.restorer import Restorer
    from darnet.restore.result import Result

#: In the name of a heat map that lies beside its picture.
TAG = "map"


def diagnose(  # noqa: PLR0913, PLR0917  one parameter an option
    inputs: o.Inputs,
    json: o.AsJson = False,
    max_pixels: o.MaxPixels = None,
    max_memory: o.MaxMemory = None,
    recursive: o.Recursive = False,
    device: o.Device = "auto",
    precision: o.Precision = "auto",
    model: o.Model = "darnet",
    output: o.HeatMap = None,
    overwrite: o.Overwrite = False,
) -> int:
    """Say what is wrong with pictures, without changing anything."""
    session = Session()
    with o.no_collection():
        from darnet.images.budget import observed
        from darnet.images.formats import MAX_PIXELS
        from darnet.jobs.inputs import Search

        search = Search(None if output is None else TAG, recursive, output)(inputs)
        session.leave_out(search.left_out)
        for name, reason in search.missing:
            session.fail(name, reason)
            if json:
                print(as_json({"input": name, "diagnosis": None, "error": spoken(reason)}))
        if not search.sources:
            return session.finish(0)
        maps = {} if output is None else _maps(output, search)
        from darnet.restore.result import Plan
        from darnet.systems.spec import RestorerSpec

        restorer = RestorerSpec(system=model, device=device, precision=precision, max_memory=max_memory).build()
    for source in session.each(search.sources, len(search.sources)):
        diagnosis, plan = None, Plan()
        with observed(restorer.budget), session.attempt(source.name, source.path) as attempt:
            drawn = maps.get(source)
            if drawn is not None:
                drawn.check(overwrite=overwrite)
            image = source.picture(max_pixels or MAX_PIXELS, "first")
            result = restorer(image, strength=0)  # looks, and says what speaks against a repair
            diagnosis, plan = result.diagnosis, result.plan
            for text in result.warnings:
                session.warn(source.name, text)
            if drawn is not None and (nothing := _draw(drawn, restorer, result)):
                session.warn(source.name, nothing)
        if json:
            found = None if diagnosis is None else diagnosis.to_dict() | {"plan": [repair.to_dict() for repair in plan]}
            session.say(as_json({"input": source.name, "diagnosis": found, "error": attempt.error}))
        elif diagnosis is not None:
            action = f"to repair: {', then '.join(map(str, plan))}" if plan else ""
            session.say(Line(source.name, str(diagnosis), action, hue="yellow" if diagnosis.present else "green"))
            session.count(diagnosis.label)
    return session.finish(search.total)


def _maps(path: str, found: Found) -> dict[Source, Task]:
    """Where the heat map of each picture goes. Raises UsageError, before any work."""
    from darnet.jobs.outputs import Destination

    tasks = Destination(path, TAG).plan(found)
    if any(task.streamed for task in tasks):
        raise UsageError("--map: stdout holds what is said; give a file or a folder")
    return {task.source: task for task in tasks}


def _draw(task: Task, restorer: Restorer, result: Result[Image]) -> str | None:
    """Write the heat map of a picture that was diagnosed; returns why there is none, which is no failure."""
    from darnet.jobs.outputs import make_folder

    try:
        drawing = restorer.heat_map(result.source, diagnosis=result.diagnosis)
    except UsageError as nothing:
        return str(nothing)
    make_folder(task.output)
    drawing.write(task.output)
    return None
