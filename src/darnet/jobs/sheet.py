"""The contact sheet: every picture before and after, what was done to it, and what failed, on one page of HTML.

The page needs nothing but itself: thumbnails are in it. It is written as pictures come, into a file that has no name
until all are there, so that memory does not grow with their number and a killed run leaves nothing.
"""

from __future__ import annotations

import base64
import io
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, BinaryIO
from weakref import finalize

from darnet.errors import ImageError, ResourceError, refusal
from darnet.images.codecs import write_parts
from darnet.jobs import remote
from darnet.jobs.inputs import PART_BYTES
from darnet.jobs.job import Done, Job
from darnet.jobs.paths import check_earlier, make_folder
from darnet.jobs.remote import is_remote
from darnet.notices import overheard
from darnet.restore.result import part
from darnet.timeline import described
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

SIDE_PX = 240
#: Of every page, which an earlier one is known by.
BEGINNING = b'<!doctype html>\n<html lang="en"><meta name="generator" content="darnet restore">\n'
STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c22; --dim: #777 }
@media (prefers-color-scheme: dark) { :root { --bad: #f77; --dim: #999 } }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; display: flex; flex-direction: column }
footer { order: -1 } h1 { font-size: 1.2rem; margin: 0 } p { margin: .2rem 0 } small, details { color: var(--dim) }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(500px, 1fr)); gap: 1rem; margin-top: 1rem }
article { border: 1px solid var(--line); border-radius: 6px; padding: .6rem; overflow-wrap: anywhere;
  content-visibility: auto; contain-intrinsic-size: auto 320px }
article.failed { border-color: var(--bad) } .failed b, .failed em { color: var(--bad); font-style: normal }
figure { display: inline-block; margin: .3rem .3rem 0 0 } img { max-width: 240px; max-height: 240px; display: block }
body:has(#failed:checked) article:not(.failed) { display: none } pre { white-space: pre-wrap }
@media (max-width: 560px) { main { grid-template-columns: 1fr } figure { width: 46% } img { max-width: 100% } }
"""


@dataclass
class Sheet:
    """The page, under way: `add` an outcome, then `write`. It has what a `Report` has, but for its entries.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sheet = Sheet(Job())
    ...     sheet.add(Done("a.jpg", error="the file is empty", exit_code=1))
    ...     sheet.write(Path(folder, "sheet.html"))
    ...     "the file is empty" in Path(folder, "sheet.html").read_text()
    True
    """

    job: Job
    output: str | None = None
    spec: RestorerSpec | None = None
    settled: RestorerSpec | None = None
    counts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    _pictures: BinaryIO = field(default_factory=TemporaryFile, repr=False)

    def __post_init__(self) -> None:
        """What was written so far goes with the sheet."""
        finalize(self, self._pictures.close)

    def add(self, done: Done) -> None:
        """One picture more, which is read once more, as is its output. Raises ImageError where there is no room."""
        outcome, told = self._told(done)
        self.counts[outcome] += 1
        try:
            self._pictures.write(self._article(done, outcome, told).encode(errors="replace"))
        except OSError as error:
            raise ImageError("contact sheet", f"no room among temporary files: {refusal(error)}") from None

    def write(self, path: Path | str) -> None:
        """Write the page, at once or not at all, in place of an earlier one and no other file. Raises ImageError."""
        check_earlier(Path(path), BEGINNING)
        make_folder(Path(path))
        write_parts(Path(path), self._parts())

    def _parts(self) -> Iterator[bytes]:
        yield BEGINNING
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>darnet restore</title>'
        yield f"{head}\n<style>{STYLE}</style>\n<body><main>\n".encode()
        self._pictures.seek(0)
        yield from iter(partial(self._pictures.read, PART_BYTES), b"")
        self._pictures.seek(0, io.SEEK_END)
        yield f"</main>\n<footer>{self._summary()}</footer></body></html>\n".encode(errors="replace")

    def _told(self, done: Done) -> tuple[str, str]:
        """Under what a picture is counted, and what was done to it."""
        if done.error is not None:
            return "failed", f"<em>{escape(done.error)}</em>"
        treatment = done.treatment
        if treatment is None:
            return "done already", ""
        did = " + ".join(step.expert + part(step.share) for step in treatment.steps if step.expert) or "left alone"
        plan = ", then ".join(map(str, treatment.plan))
        planned = f"; planned: {escape(plan)}" if len(treatment.plan) > len(treatment.experts) else ""
        when = "done already" if done.already else f"{treatment.seconds:.1f} s: {described(treatment.stages)}"
        said = "".join(f"<br><small>{escape(text)}</small>" for text in treatment.warnings)
        outcome = "repaired" if treatment.experts else "left alone"
        return outcome, f"{escape(self.job.verdict(treatment))} → {escape(did)}{planned} <small>{when}</small>{said}"

    def _article(self, done: Done, outcome: str, told: str) -> str:
        same = outcome == "left alone"
        figures = _figure(done.input, "before and after" if same else "before")
        if done.output is not None and not same:
            figures += _figure(done.output, "after")
        written = f" <small>{escape(done.output)}</small>" if done.output else ""
        kind = ' class="failed"' if outcome == "failed" else ""
        return f"<article{kind}><b>{escape(done.input)}</b>{written}<p>{told}</p>{figures}</article>\n"

    def _summary(self) -> str:
        told = ", ".join(f"{number} {outcome}" for outcome, number in self.counts.most_common())
        settings = {"output": self.output, **asdict(self.job)}
        settings |= {} if self.spec is None else {"restorer": (self.settled or self.spec).model_dump(mode="json")}
        listed = "\n".join(f"{name}: {value}" for name, value in settings.items())
        only = '<label><input type="checkbox" id="failed"> failures only</label>' if self.counts["failed"] else ""
        when, took = time.strftime("%Y-%m-%d %H:%M"), time.monotonic() - self.started
        return (
            f"<h1>{self.counts.total()} pictures: {told or 'none'}</h1><p>{when}, {took:.1f} s, darnet {__version__} "
            f"{only}</p><details><summary>settings</summary><pre>{escape(listed)}</pre></details>"
        )


def _figure(name: str, title: str) -> str:
    """A picture, by its path or URL, small; none where it cannot be shown."""
    from darnet.images.thumbnails import thumbnail

    try:
        with overheard(), TemporaryDirectory() as folder:
            path = Path(name)
            if is_remote(name):
                path = Path(folder, path.name)
                write_parts(path, remote.parts(name))
            data = base64.b64encode(thumbnail(path, SIDE_PX)).decode()
    except (ImageError, ResourceError):
        return ""
    image = f'<img loading="lazy" decoding="async" alt="{title}" src="data:image/jpeg;base64,{data}">'
    return f"<figure>{image}<small>{title}</small></figure>"
