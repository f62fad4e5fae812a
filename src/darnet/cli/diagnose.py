"""`darnet diagnose`: what is wrong with each picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from darnet.cli import options as o
from darnet.cli.flags import spoken
from darnet.cli.lines import Line
from darnet.cli.session import Session, as_json
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.jobs.inputs import Found, Source

#: In the name of a heat map that lies beside its picture.
TAG = "map"


def diagnose(  # noqa: PLR0913, PLR0917  one parameter an option
    inputs: o.Inputs,
    json: o.AsJson = False,
    max_pixels: o.MaxPixels = None,
    recursive: o.Recursive = False,
    device: o.Device = "auto",
    precision: o.Precision = "auto",
    model: o.Model = "darnet",
    heat_map: o.HeatMap = None,
    overwrite: o.Overwrite = False,
) -> int:
    """Say what is wrong with pictures, without changing anything."""
    session = Session()
    with o.no_collection():
        from darnet.images.formats import MAX_PIXELS
        from darnet.jobs.inputs import Search

        search = Search(None if heat_map is None else TAG, recursive, heat_map)(inputs)
        session.leave_out(search.left_out)
        for name, reason in search.missing:
            session.fail(name, reason)
            if json:
                print(as_json({"input": name, "diagnosis": None, "error": spoken(reason)}))
        if not search.sources:
            return session.finish(0)
        maps = None if heat_map is None else _maps(heat_map, search, overwrite=overwrite)
        from darnet.restore.result import Plan
        from darnet.systems.spec import RestorerSpec

        restorer = RestorerSpec(system=model, device=device, precision=precision).build()
    for source in session.each(search.sources, len(search.sources)):
        diagnosis, plan = None, Plan()
        with session.attempt(source.name, source.path) as attempt:
            image = source.picture(max_pixels or MAX_PIXELS, pages="first")
            result = restorer(image, strength=0)  # looks, and says what speaks against a repair
            diagnosis, plan = result.diagnosis, result.plan
            if maps is not None:
                try:
                    restorer.heat_map(image).write(maps[source])
                except UsageError as nothing:  # there is none to draw; that is no failure
                    session.warn(source.name, str(nothing))
            for text in result.warnings:
                session.warn(source.name, text)
        if json:
            found = None if diagnosis is None else diagnosis.to_dict() | {"plan": [repair.to_dict() for repair in plan]}
            session.say(as_json({"input": source.name, "diagnosis": found, "error": attempt.error}))
        elif diagnosis is not None:
            action = f"to repair: {', then '.join(map(str, plan))}" if plan else ""
            session.say(Line(source.name, str(diagnosis), action, hue="yellow" if diagnosis.present else "green"))
            session.count(diagnosis.label)
    return session.finish(search.total)


def _maps(path: str, found: Found, *, overwrite: bool) -> dict[Source, Path]:
    """Where the heat map of each picture goes. Raises UsageError and ImageError, before any work."""
    from darnet.jobs.outputs import Destination, make_folder

    tasks = Destination(path, TAG).plan(found)
    for task in tasks:
        if task.streamed:
            raise UsageError("--map: stdout holds what is said; give a file or a folder")
        task.check(overwrite=overwrite)
        make_folder(task.output)
    return {task.source: task.output for task in tasks}
