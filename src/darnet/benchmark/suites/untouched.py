"""What must stay as it is: clean photos, and made pictures that are no photos and are meant so.

A picture is compared with itself: how many are changed, how badly, and by whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from darnet.benchmark.camera import Halved
from darnet.benchmark.cases import PHOTO_SETS, Case, Scene, damaged, is_there, pairs_of, thinned
from darnet.benchmark.documents import Document, Findings
from darnet.benchmark.protocol import Protocol, Step
from darnet.benchmark.report.cells import counted, number, percent, table
from darnet.benchmark.report.tables import closed
from darnet.benchmark.rows import Row, one_protocol, parse, rounded
from darnet.benchmark.run import Progress
from darnet.benchmark.suite import Outcome, Request, Suite, measured, without
from darnet.benchmark.suites import real
from darnet.benchmark.suites.ways import JPEG_75
from darnet.data.graphics import NEEDS_PHOTO, SORTS, draw
from darnet.degradations import Clean, kinds, named_generator
from darnet.errors import NoInputError, UnknownNameError
from darnet.images.image import Image
from darnet.registry import CLEAN

GRAPHICS = "graphics"
CLEAN_SETS = ("CBSD68", "McMaster")
#: Of these the targets.
PAIRED_SETS = ("SOTS-indoor", "Rain100L", *real.SETS)
#: Photos as they are, and as people keep them: halved, so that of the file before nothing is to be seen.
VERSIONS: Mapping[str, tuple[Step, ...]] = {"": (), "JPEG 75, halved": (JPEG_75, Halved())}
#: Made pictures of each sort: of all sorts together more than 500.
PICTURES, SIDE_PX = 20, 384
EVERY = "all"

Missing = Callable[[Sequence[Case]], dict[str, str]]


class Itself(Case):
    """A photo that is to come back as it was given."""

    def load(self, protocol: Protocol) -> Scene:
        """Read it, and do to it what its file went through. Raises ImageError."""
        photo = protocol.prepare(Image.read(self.clean).pixels())
        observed = protocol.observe(photo, Clean(), self.name, after=self.after)
        return Scene(observed, observed)


@dataclass(frozen=True)
class Made(Case):
    """A made picture; `way` is its sort, and `clean` the photo that it shows, if it shows one."""

    side_px: int = SIDE_PX

    def load(self, protocol: Protocol) -> Scene:
        """Draw it: the same for the same name. Raises ImageError for a bad photo."""
        photo = None
        if self.clean != Path():
            photo = (Image.read(self.clean).pixels() * 255).round().byte()
        drawn = draw(self.way, self.side_px, named_generator(self.name, protocol.seed), photo)
        picture = protocol.prepare(drawn.float() / 255)
        return Scene(picture, picture)


def photos(root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """Clean photos of photo sets, and targets of paired sets; at most `limit` of a set and version.

    Raises UnknownNameError for a set that is neither, NoInputError where nothing is there.
    """
    known = (*PHOTO_SETS, *PAIRED_SETS)
    _check("clean", sets, known)
    chosen = sets or [name for name in (*CLEAN_SETS, *PAIRED_SETS) if is_there(root, name)]
    if not chosen:
        raise NoInputError(f"{root}: none of the sets of suite clean is there ({', '.join(known)})")
    found = {name: thinned(_photos(root, name), limit) for name in chosen}
    return [
        Itself(name, photo.name, CLEAN, None, photo, after=after, way=version)
        for version, after in VERSIONS.items()
        for name in chosen
        for photo in found[name]
    ]


def _photos(root: Path, name: str) -> list[Path]:
    if name not in PAIRED_SETS:
        return [case.clean for case in damaged(Clean(), root, name)]
    return sorted({case.clean for case in pairs_of(CLEAN, root, name)})


def graphics(root: Path, sorts: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """Made pictures of every sort, or of those that are named; at most `limit` of a sort.

    Sorts that show a photo show one of CBSD68; where that is missing they are left out, unless they are named.
    Raises UnknownNameError for what is no sort, NoInputError where a photo is missing.
    """
    _check(GRAPHICS, sorts, SORTS)
    name, count = CLEAN_SETS[0], PICTURES if limit is None else limit
    wanted = sorts or SORTS
    photos = _photos(root, name) if is_there(root, name) or NEEDS_PHOTO & {*sorts} else []
    if not photos:
        wanted = [sort for sort in wanted if sort not in NEEDS_PHOTO]
    found = []
    for sort in wanted:
        for index in range(count):
            photo = photos[index % len(photos)] if photos else Path()
            found.append(Made(GRAPHICS, f"{sort}-{index:03}", CLEAN, None, photo, way=sort))
    return list(found)


def _check(suite: str, sets: Sequence[str], known: Sequence[str]) -> None:
    for name in sets:
        if name not in known:
            raise UnknownNameError(f"set of suite {suite}", name, known)


def missing_sets(chosen: Sequence[Case]) -> dict[str, str]:
    """The sets without a photo, where none was named -> why."""
    there = {case.set for case in chosen}
    left = [name for name in (*CLEAN_SETS, *PAIRED_SETS) if name not in there]
    return dict.fromkeys(left, "this set is not there")


def missing_sorts(chosen: Sequence[Case]) -> dict[str, str]:
    """The sorts without a picture, where none was named -> why."""
    left = [sort for sort in SORTS if sort not in {case.way for case in chosen}]
    return dict.fromkeys(left, f"this sort shows a photo, and {CLEAN_SETS[0]} is not there")


@dataclass(frozen=True)
class Changes:
    """What a method did to the pictures of a row, or (set `all`) to all of them.

    touched: how many were changed; tone: how many by an expert for tones. worst: the lowest PSNR of a picture to itself
    in dB, None where none was changed.
    """

    method: str
    set: str
    way: str
    touched: int
    tone: int
    worst: float | None
    worst_name: str | None
    n: int
    failed: int


@dataclass(frozen=True)
class Touched(Findings):
    """Of every method at every place, and over all."""

    touched: tuple[Changes, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"touched": [asdict(changes) for changes in self.touched]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Touched:
        """Back from the JSON form."""
        return cls(tuple(parse(Changes, changes) for changes in document["touched"]))


def measure(missing: Missing, request: Request, chosen: list[Case], progress: Progress) -> Outcome[Touched]:
    """What of pictures that should stay as they are does not."""
    part = measured(request, progress, request.methods, chosen)
    left_out = {} if request.sets else missing(chosen)
    return Outcome((without(part, left_out),), Touched(tuple(touched(part.rows))))


def touched(rows: Iterable[Row]) -> list[Changes]:
    """For each row, and for each method over all."""
    rows = list(rows)
    found = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        found += [_changes(method, row.set, row.way, [row]) for row in own]
        found.append(_changes(method, EVERY, "", own))
    return found


def _changes(method: str, set_name: str, way: str, rows: Sequence[Row]) -> Changes:
    images = [image for row in rows for image in row.per_image]
    scored = [(image.psnr, image.name) for image in images if image.psnr is not None]
    tones = {kind.name for kind in kinds() if kind.concern == "tones"}
    worst, worst_name = min(scored, key=itemgetter(0), default=(None, None))
    return Changes(
        method=method,
        set=set_name,
        way=way,
        touched=sum(row.n - row.left_alone for row in rows),
        tone=sum(bool(tones & {*(image.experts or ())}) for image in images),
        worst=rounded(worst, 2),
        worst_name=worst_name,
        n=sum(row.n for row in rows),
        failed=sum(row.failed for row in rows),
    )


def tables(document: Document[Touched]) -> str:
    """One line a row and a method."""
    return closed(document.part.protocol, markdown(document.found.touched, document.part.rows))


def markdown(entries: Sequence[Changes], rows: Sequence[Row]) -> str:
    """The table of a document. Raises DarnetError for mixed protocols."""
    one_protocol(rows)
    title = ("method", "set", "version or sort", "touched", "share", "repaired as a tone problem")
    lines = [
        (
            changes.method,
            changes.set,
            changes.way or "–",
            str(changes.touched),
            *(percent(count / changes.n) if changes.n else "–" for count in (changes.touched, changes.tone)),
            number(changes.worst, ".2f") + (f" ({changes.worst_name})" if changes.worst_name else ""),
            counted(changes.n, changes.failed),
        )
        for changes in entries
    ]
    return table((*title, "worst, dB to itself", "n"), lines)


def _suite(name: str, cases: Callable[..., list[Case]], missing: Missing) -> Suite[Touched]:
    measuring = partial(measure, missing)
    return Suite(name, lambda request: cases(*request.pictures), measuring, tables, Touched, ranked=False)


def suites() -> tuple[Suite[Touched], ...]:
    """Clean photos, and made pictures."""
    return _suite("clean", photos, missing_sets), _suite(GRAPHICS, graphics, missing_sorts)
