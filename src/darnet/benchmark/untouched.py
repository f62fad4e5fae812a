"""What must stay as it is: clean photos, and made pictures that are no photos and are meant so.

A picture is compared with itself: how many are changed, how badly, and by whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darnet.benchmark import real, suites
from darnet.benchmark.camera import Halved
from darnet.benchmark.cells import number, percent, table
from darnet.benchmark.protocol import Protocol, Step
from darnet.benchmark.rows import one_protocol
from darnet.benchmark.suites import Case, Scene
from darnet.benchmark.ways import JPEG_75
from darnet.data.graphics import NEEDS_PHOTO, SORTS, draw
from darnet.degradations import Clean, kinds, named_generator
from darnet.diagnosis import CLEAN
from darnet.errors import NoInputError, UnknownNameError
from darnet.image import Image

Row = Mapping[str, Any]

CLEAN_PHOTOS, GRAPHICS = "clean", "graphics"
SUITES = (CLEAN_PHOTOS, GRAPHICS)
PHOTO_SETS = ("CBSD68", "McMaster")
#: Of these the targets.
PAIRED_SETS = ("SOTS-indoor", "Rain100L", *real.SETS)
#: Photos as they are, and as people keep them: halved, so that of the file before nothing is to be seen.
VERSIONS: Mapping[str, tuple[Step, ...]] = {"": (), "JPEG 75, halved": (JPEG_75, Halved())}
#: Made pictures of each sort: of all sorts together more than 500.
PICTURES, SIDE_PX = 20, 384
EVERY = "all"


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


def cases(suite: str, root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """The pictures of a suite: at most `limit` of a set and version, or of a sort.

    sets: of `clean`, photo sets and paired sets; of `graphics`, sorts.
    Raises UnknownNameError for one that does not fit, NoInputError where nothing is there.
    """
    known = SORTS if suite == GRAPHICS else (*suites.PHOTO_SETS, *PAIRED_SETS)
    for name in sets:
        if name not in known:
            raise UnknownNameError(f"set of suite {suite}", name, known)
    if suite == GRAPHICS:
        return _made(root, sets, PICTURES if limit is None else limit)
    chosen = sets or [name for name in (*PHOTO_SETS, *PAIRED_SETS) if suites.is_there(root, name)]
    if not chosen:
        raise NoInputError(f"{root}: none of the sets of suite {suite} is there ({', '.join(known)})")
    photos = {name: suites.thinned(_photos(root, name), limit) for name in chosen}
    return [
        Itself(name, photo.name, CLEAN, None, photo, after=after, way=version)
        for version, after in VERSIONS.items()
        for name in chosen
        for photo in photos[name]
    ]


def _photos(root: Path, name: str) -> list[Path]:
    if name not in PAIRED_SETS:
        return [case.clean for case in suites.damaged(Clean(), root, name)]
    return sorted({case.clean for case in suites.pairs_of(CLEAN, root, name)})


def _made(root: Path, sorts: Sequence[str], count: int) -> list[Case]:
    """Sorts that show a photo show one of CBSD68; where that is missing they are left out, unless they are named."""
    name = PHOTO_SETS[0]
    wanted = sorts or SORTS
    photos = _photos(root, name) if suites.is_there(root, name) or NEEDS_PHOTO & {*sorts} else []
    if not photos:
        wanted = [sort for sort in wanted if sort not in NEEDS_PHOTO]
    found = []
    for sort in wanted:
        for index in range(count):
            photo = photos[index % len(photos)] if photos else Path()
            found.append(Made(GRAPHICS, f"{sort}-{index:03}", CLEAN, None, photo, way=sort))
    return list(found)


def missing(suite: str, chosen: Sequence[Case]) -> dict[str, str]:
    """The sets or sorts without a case, where none was named -> why."""
    if suite == GRAPHICS:
        left = [sort for sort in SORTS if sort not in {case.way for case in chosen}]
        return dict.fromkeys(left, f"this sort shows a photo, and {PHOTO_SETS[0]} is not there")
    measured = {case.set for case in chosen}
    left = [name for name in (*PHOTO_SETS, *PAIRED_SETS) if name not in measured]
    return dict.fromkeys(left, "this set is not there")


def touched(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """For each row, and for each method over all: how many pictures were changed, by tone experts, and the worst.

    The worst is the lowest PSNR of a picture to itself in dB, None where none was changed.
    """
    rows = list(rows)
    found = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        found += [_touched(method, row["set"], row.get("way", ""), [row]) for row in own]
        found.append(_touched(method, EVERY, "", own))
    return found


def _touched(method: str, set_name: str, way: str, rows: Sequence[Row]) -> dict[str, Any]:
    images = [image for row in rows for image in row["per_image"]]
    changed = [image for image in images if image.get("psnr") is not None]
    worst = min(changed, key=lambda image: float(image["psnr"]), default=None)
    tones = {kind.name for kind in kinds() if kind.concern == "tones"}
    return {
        "method": method,
        "set": set_name,
        "way": way,
        "touched": sum(row["n"] - row["left_alone"] for row in rows),
        "tone": sum(bool(tones & {*image.get("experts", ())}) for image in images),
        "worst": None if worst is None else round(worst["psnr"], 2),
        "worst_name": None if worst is None else worst["name"],
        "n": sum(row["n"] for row in rows),
        "failed": sum(row["failed"] for row in rows),
    }


def markdown(entries: Sequence[Row], rows: Sequence[dict[str, Any]]) -> str:
    """The table of a document. Raises DarnetError for mixed protocols."""
    one_protocol(rows)
    title = ("method", "set", "version or sort", "touched", "share", "repaired as a tone problem")
    lines = [
        (
            entry["method"],
            entry["set"],
            entry["way"] or "–",
            str(entry["touched"]),
            *(percent(entry[name] / entry["n"]) if entry["n"] else "–" for name in ("touched", "tone")),
            number(entry["worst"], ".2f") + (f" ({entry['worst_name']})" if entry["worst_name"] else ""),
            f"{entry['n']}" + (f" ({entry['failed']} failed)" if entry["failed"] else ""),
        )
        for entry in entries
    ]
    return table((*title, "worst, dB to itself", "n"), lines)
