"""`darnet blend`: a restored picture at another strength, without restoring it again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.lines import Line
from darnet.cli.session import Session, as_json, as_user
from darnet.cli.strengths import Chroma, Given, Luma, told

if TYPE_CHECKING:
    from darnet.restore.result import Treatment

Files: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", help="What restore --keep wrote, such as a.restored.jpg.residuals.", show_default=False
    ),
]
Original: TypeAlias = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE", help="The picture that was restored; default: where it was then."),
]
Blended: TypeAlias = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="PATH", help="A file, or a folder; default: the picture beside FILE."),
]


def blend(  # noqa: PLR0913, PLR0917  one parameter an option
    files: Files,
    strength: Given = None,
    luma: Luma = 1.0,
    chroma: Chroma = 1.0,
    original: Original = None,
    output: Blended = None,
    overwrite: o.Overwrite = False,
    json: o.AsJson = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Give restored pictures another strength. It is as if they were restored so, but at once: no network runs."""
    session = Session(quiet=quiet, verbose=verbose)
    with o.no_collection():
        from darnet.jobs.blending import blend_many
        from darnet.restore.strength import strength_of

        weights = strength_of(strength, luma, chroma)
        outcomes = blend_many(files, output, weights, original=original, overwrite=overwrite)
    total = len(dict.fromkeys(files))
    for done in session.each(outcomes, total):
        if done.error is not None:
            session.fail(done.input, done.error, done.exit_code)
            if verbose and done.traceback:
                print(done.traceback, end="", file=sys.stderr)
        elif done.treatment is not None:
            for text in done.treatment.warnings:
                session.warn(done.input, text)
            if not json:
                session.say(_line(done.input, done.treatment, told(weights, done.treatment.experts), done.output or ""))
                session.count("blended")
        if json:
            print(as_json(as_user(done).to_dict()), flush=True)
    return session.finish(total)


def _line(name: str, treatment: Treatment, strength: str, output: str) -> Line:
    """`photo.restored.jpg.residuals  noise (σ ≈ 24) -> blended at strength 0.5  0.1 s -> photo.restored.jpg`."""
    from darnet.restore.result import part

    repaired = ", ".join(step.plan[0].described + part(step.share) for step in treatment.steps)
    return Line(name, repaired, f"blended{strength}  {treatment.seconds:.1f} s", output)
