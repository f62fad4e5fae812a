"""Options that several commands share, each defined once, and what their values mean."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.restore.experts import Tiles

SMALLEST_TILE_PX = 16
#: A number as people write it.
NUMBER = "[0-9]{1,9}"

PrecisionName: TypeAlias = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Extension: TypeAlias = Literal["auto", "jpg", "png", "tiff", "webp", "avif", "gif", "bmp", "ppm", "jp2", "jxl", "heic"]
BitDepth: TypeAlias = Literal["auto", "8", "16"]
Effort: TypeAlias = Literal["fast", "best"]
MetadataChoice: TypeAlias = Literal["keep", "strip"]
ProfileChoice: TypeAlias = Literal["keep", "srgb"]

Inputs: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", help="Files, folders, globs, URLs (s3://…), or - for stdin.", show_default=False),
]
Output: TypeAlias = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="PATH", help="A file, or a folder; default: beside the input."),
]
OptionalInputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT", help="Files, folders, globs, or - for stdin.", show_default=False),
]
SidecarFile: TypeAlias = Annotated[
    bool, typer.Option("--sidecar", help="Write what was done, and with which settings, to OUTPUT.json.")
]
FromSidecar: TypeAlias = Annotated[
    Path | None,
    typer.Option("--from-sidecar", metavar="FILE", help="Do again what FILE says, to its picture or to INPUT."),
]
Recursive: TypeAlias = Annotated[bool, typer.Option("--recursive", "-r", help="Look into subfolders.")]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Include: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--include", metavar="GLOB", help="Of folders only what fits: '*.jpg', '2024/**'. Repeat for several."
    ),
]
Exclude: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="Of folders nothing that fits: a name, or a path below the folder."),
]
MinSize: TypeAlias = Annotated[
    int,
    typer.Option("--min-size", metavar="PX", min=0, help="Of folders no picture with a shorter side of fewer pixels."),
]
Watched: TypeAlias = Annotated[
    bool, typer.Option("--watch", help="Wait for more pictures in the folder, and restore them too, until Ctrl-C.")
]
Interval: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--interval",
        metavar="SECONDS",
        min=0.01,
        help="A file that is the same that much later has arrived, for --watch; default: 1.",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Say nothing but what went wrong.")]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="More about each picture; tracebacks.")]
FailFast: TypeAlias = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")]
Model: TypeAlias = Annotated[
    str, typer.Option("--model", metavar="NAME|PATH", help="The system: darnet, daair, slerir, or a folder of one.")
]
SystemOutput: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="A new folder for the changed system; default: change it."),
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        "--device", "-d", metavar="auto|cpu|cuda[:i]|mps", help="The device that computes; auto: a GPU if there is one."
    ),
]
Precision: TypeAlias = Annotated[PrecisionName, typer.Option("--precision", help="Number type of the networks.")]
Backend: TypeAlias = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="auto|torch|onnxruntime|openvino",
        help="Who runs networks on the CPU; auto: the fastest whose answers are right, tried out the first time.",
    ),
]
Tile: TypeAlias = Annotated[
    str,
    typer.Option(
        "--tile", "-t", metavar="auto|off|N", help="Side of a tile in pixels; auto: 1152, or as memory allows."
    ),
]
MinConfidence: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        metavar="P",
        help="A kind that is less certain is not repaired; default: what the system says of each kind.",
    ),
]
MaxSteps: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-steps", metavar="N", help="Repair at most N kinds of damage; default: as many as are planned."),
]
HeatMap: TypeAlias = Annotated[
    str | None,
    typer.Option("--map", metavar="PATH", help="Draw where the damage is, over the picture: a file, or a folder."),
]
Mask: TypeAlias = Annotated[
    str | None,
    typer.Option("--mask", metavar="FILE", help="Repair where this picture is white, not where it is black."),
]
Kinds: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        metavar="KIND",
        help="Skip the diagnosis: this is what is wrong (noise, blur, haze, …). Repeat for several, in order.",
    ),
]
Keep: TypeAlias = Annotated[
    bool,
    typer.Option("--keep", help="Write what each step changed to OUTPUT.residuals, for darnet blend."),
]
Ext: TypeAlias = Annotated[Extension, typer.Option("--ext", help="Format of the output; auto: what came in.")]
Quality: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--quality",
        "-q",
        metavar="fast|best|1..100",
        help="best: large experts, each asked eight times. A number: of JPEG, WebP, AVIF and HEIC. Repeat for both.",
    ),
]
Depth: TypeAlias = Annotated[BitDepth, typer.Option("--bit-depth", help="Bits per sample; auto: what came in.")]
Metadata: TypeAlias = Annotated[
    MetadataChoice, typer.Option("--metadata", help="EXIF, XMP and IPTC: keep or leave out.")
]
Icc: TypeAlias = Annotated[ProfileChoice, typer.Option("--icc", help="Colour profile: keep it, or convert to sRGB.")]
KeepTime: TypeAlias = Annotated[
    bool, typer.Option("--keep-time", help="Outputs have the date of the file that they came from.")
]
First: TypeAlias = Annotated[
    bool, typer.Option("--first", help="Of several pages or frames the first; default: all, repaired as the first is.")
]
ReportFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write what was done to each picture, as JSON; FILE.html: a contact sheet, before and after.",
    ),
]
ProfileFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="Write what each picture's time went to, as a trace for chrome://tracing and Perfetto.",
    ),
]
ShardOf: TypeAlias = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="One of N parts of the pictures, from 0: each for another machine."),
]
EngineName: TypeAlias = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", help="Who does the work: this machine, or the machines of a Ray cluster."),
]
RayAddress: TypeAlias = Annotated[
    str | None,
    typer.Option("--ray-address", metavar="ADDRESS", help="Of a Ray cluster; default: RAY_ADDRESS, or a new one here."),
]
MaxPixels: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-pixels", metavar="N", min=1, help="Larger pictures are refused, and not decoded; default: a billion."
    ),
]
Jobs: TypeAlias = Annotated[
    str,
    typer.Option("--jobs", "-j", metavar="auto|N", help="Processes that share the pictures; auto: as many as pay."),
]
MaxMemory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Memory that the process may take, such as 512MB, 1.5GiB or 2GB; default: half of what is free.",
    ),
]
TestSets: TypeAlias = Annotated[
    Path, typer.Option("--data", metavar="ROOT", help="The folder that holds the test sets.")
]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="At most N pictures of a set and severity.")
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", help="Diagnose and say what would be done; write nothing but --report and --profile."),
]


def tiles_of(text: str) -> Tiles | None:
    """How large pictures are cut; None: as memory allows. Raises UsageError for a size that is none."""
    if text not in ("auto", "off") and not (re.fullmatch(NUMBER, text) and int(text) >= SMALLEST_TILE_PX):
        raise UsageError(f"--tile {text}: expected auto, off or a number of pixels from {SMALLEST_TILE_PX}")
    from darnet.restore.experts import Tiles

    if text == "auto":
        return None
    if text == "off":
        return Tiles(size_px=0)
    return Tiles(int(text), min(Tiles.overlap_px, int(text) // 2))


def jobs_of(text: str) -> int | None:
    """How many processes; None: as many as pay. Raises UsageError for a number that is none."""
    if text == "auto":
        return None
    if not re.fullmatch(NUMBER, text) or not int(text):
        raise UsageError(f"--jobs {text}: expected auto or a number from 1")
    return int(text)


def lasting(output: str | None) -> str | None:
    """An output that is there when the command has ended. Raises UsageError for another."""
    from darnet.jobs.remote import check_lasting

    check_lasting([output or ""])
    return output


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the search for garbage: imports make objects by the hundred thousand, nearly all of which stay.

    Nor are they looked through later, which took 0.2 s of a short run.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def split_quality(values: list[str] | None) -> tuple[Effort, int | None]:
    """The two things that are called quality: of the restoration, and of the file (None: the format's default).

    Raises UsageError for a value that is neither, or for two of one sort.
    """
    known: dict[str, Effort] = {"fast": "fast", "best": "best"}
    efforts = [known[value] for value in values or () if value in known]
    numbers = [value for value in values or () if value not in known]
    for value in numbers:
        if not re.fullmatch(NUMBER, value):
            raise UsageError(f"--quality {value}: expected fast, best, or 1 to 100")
    if len(efforts) > 1 or len(numbers) > 1:
        raise UsageError("--quality: one of fast and best, and one number")
    return efforts[0] if efforts else "fast", int(numbers[0]) if numbers else None
