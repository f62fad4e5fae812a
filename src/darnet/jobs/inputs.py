"""Which pictures are meant: files, folders, globs (not every shell expands them) and stdin."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from darnet.errors import ImageError, UsageError, named, refusal
from darnet.images import raw
from darnet.images.coding import Pages
from darnet.images.formats import MAX_PIXELS, SIGNATURE_BYTES, SUFFIXES, recognise, regular
from darnet.images.image import Image
from darnet.jobs import remote
from darnet.jobs.choosing import ALL, Choice
from darnet.jobs.paths import Places, absence, listed
from darnet.jobs.remote import as_path, is_remote
from darnet.jobs.spool import Numbers, Spool, in_order

#: As an input stdin, as an output stdout.
STREAM = "-"
#: Bytes of a file that are held at once where it is copied.
PART_BYTES = 2**20
#: In the name of a heat map that lies beside its picture.
MAP = "map"
#: What systems leave behind in folders of pictures; nobody wants to hear of it.
LITTER = frozenset({"thumbs.db", "desktop.ini"})
#: Why a file of a folder is left out that nobody can tell for a picture.
NO_PICTURE = "no picture of a format that is read"


@dataclass(frozen=True)
class Source:
    """A picture to read: what messages call it, where it lies, and where it goes below an output folder.

    `folder`: the searched one that it was found in, if any.
    """

    name: str
    path: Path
    relative: Path
    data: bytes | None = field(default=None, repr=False)  # of what came from stdin
    folder: Path | None = None

    @property
    def streamed(self) -> bool:
        """Whether it came from stdin."""
        return self.data is not None

    @property
    def remote(self) -> bool:
        """Whether its name is a URL."""
        return is_remote(self.name)

    def head(self) -> bytes:
        """The bytes that its format is known by. Raises OSError and ImageError."""
        if self.remote:
            return remote.head(self.name, SIGNATURE_BYTES)
        if self.data is not None:
            return self.data[:SIGNATURE_BYTES]
        with regular(self.path) as file:
            return file.read(SIGNATURE_BYTES)

    def parts(self) -> Iterator[bytes]:
        """All of its bytes, some after the other. Raises ImageError."""
        if self.remote:
            yield from remote.parts(self.name)
            return
        if self.data is not None:
            yield self.data
            return
        try:
            with regular(self.path) as file:
                yield from iter(partial(file.read, PART_BYTES), b"")
        except OSError as error:
            raise ImageError(self.path, refusal(error)) from None

    def picture(self, max_pixels: int = MAX_PIXELS, pages: Pages = "one") -> Image:
        """What it shows, as `pages` says of several pictures. Raises as `Image.read` does."""
        data = b"".join(self.parts()) if self.remote else self.data
        if data is None:
            return Image.read(self.path, max_pixels=max_pixels, pages=pages)
        return Image.decode(data, name=self.path, max_pixels=max_pixels, pages=pages)


@dataclass
class Found:
    """What the inputs stand for. `come`: how many pictures, those included that had come before."""

    sources: Spool[Source] = field(default_factory=Spool)
    missing: list[tuple[str, str]] = field(default_factory=list)  # input, reason
    left_out: Spool[tuple[str, str]] = field(default_factory=Spool)  # what lies in a folder and is no picture, reason
    from_folder: bool = False
    come: int = 0
    _known: Numbers = field(default_factory=Numbers, repr=False)
    _places: Places = field(default_factory=Places, repr=False)

    def add(self, source: Source) -> Source | None:
        """A picture, unless it has come before: returns what it came as then."""
        self.come += 1
        key = source.name if source.remote else self._places.followed(source.path)
        if (number := self._known.first(key, len(self.sources))) < len(self.sources):
            return self.sources[number]
        self.sources.append(source)
        return None

    @property
    def total(self) -> int:
        """Everything that had to be dealt with."""
        return len(self.sources) + len(self.missing)

    @property
    def streamed(self) -> bool:
        """Whether it is stdin, which comes alone."""
        return len(self.sources) == 1 and self.sources[0].streamed


@dataclass(frozen=True)
class Search:
    """How inputs are understood: `tag` marks our own earlier outputs (`photo.restored.jpg`), which are passed over.

    In a searched folder that is all of them, elsewhere those whose original is given as well. `output` is a folder of
    ours that may lie inside a searched one. `choice`: what of a searched folder is meant.
    """

    tag: str | None = None
    recursive: bool = False
    output: str | None = None
    choice: Choice = ALL

    def __post_init__(self) -> None:
        """Raise UsageError for an output that is no place."""
        object.__setattr__(self, "output", self.output and as_path(self.output))

    def __call__(self, inputs: Sequence[str]) -> Found:
        """Find everything, each file once, in the order given. Raises UsageError for - among others."""
        inputs = list(map(as_path, inputs))
        if STREAM in inputs and len(set(inputs)) > 1:
            raise UsageError("- is stdin, and cannot be mixed with other inputs")
        found = Found()
        for one in dict.fromkeys(inputs):
            before = found.come, len(found.missing)
            reason = self._add(one, found)
            if (found.come, len(found.missing)) == before and reason:
                found.missing.append((one, reason))
        if any(self._tagged(source.path) for source in found.sources if source.folder is None):
            found.sources = self._without_our_own(found.sources)
        return found

    def _without_our_own(self, sources: Collection[Source]) -> Spool[Source]:
        """Of `*.jpg`, expanded by a shell, leave out the outputs of an earlier run on the same pictures."""
        originals = Numbers()
        for number, path in enumerate(source.path for source in sources):
            for name in (path.stem, path.name):
                originals.first(str(path.with_name(name)), number)

        def ours(path: Path) -> bool:
            return self._tagged(path) and originals.get(str(path.with_name(Path(path.stem).stem))) is not None

        return Spool(source for source in sources if not ours(source.path))

    def _tagged(self, path: Path) -> bool:
        marks = () if self.tag is None else (f".{self.tag}", f".{MAP}")
        return any(mark in path.name for mark in marks) and Path(path.stem).suffix in marks

    def _add(self, one: str, found: Found) -> str | None:
        """Add what an input stands for; returns why it may stand for nothing."""
        if one == STREAM:
            found.add(Source(STREAM, Path(STREAM), Path("stdin"), sys.stdin.buffer.read()))
        elif is_remote(one):
            return self._list(one, found)
        elif os.path.isdir(one):  # noqa: PTH112  is_dir raises for a name too long and in a forbidden folder
            found.from_folder = True
            before = found.come
            self._scan(Path(one), found)
            return None if found.come > before else self._nothing(Path(one))
        elif os.path.lexists(one):
            found.add(source_of(one))
        elif glob.has_magic(one):
            for match in in_order(glob.iglob(one, recursive=True)):  # noqa: PTH207  it may be absolute
                self._add(match, found)
            return "nothing matches"
        else:
            return absence(one)
        return None

    def _list(self, url: str, found: Found) -> str | None:
        """Add the pictures at a URL, known by their suffixes: to look into each would take an answer of the store."""
        inside = f"{(self.output or '').rstrip('/')}/" if is_remote(self.output) else None
        try:
            for name in remote.listing(url, recursive=self.recursive):
                below = Path(name[len(url) :].strip("/"))
                found.from_folder |= name != url
                if any(part.startswith(".") for part in below.parts) or self._ours(below):
                    continue
                if inside is not None and name.startswith(inside) and not url.startswith(inside):
                    continue
                if name == url or below.suffix.lower() in SUFFIXES:
                    relative = below if name != url else Path(Path(name).name)
                    found.add(Source(name, Path(name), relative))
                elif below.name.lower() not in LITTER:
                    found.left_out.append((name, NO_PICTURE))
        except ImageError as error:
            return error.reason
        return self._nothing()

    def _nothing(self, folder: Path | None = None) -> str:
        """Why nothing comes of a folder, where `choice` may have left out everything."""
        if folder is not None and self.choice != ALL:
            replace(self, choice=ALL)._scan(folder, every := Found())
            if every.come:
                return f"every picture in this folder is left out by {self.choice.given}"
        return "no pictures in this folder" + ("" if self.recursive else " (`recursive=True` looks into subfolders)")

    def _scan(self, folder: Path, found: Found) -> None:
        """Add the pictures of a folder; one that may not be looked into is missing, and nothing but it."""

        def refused(error: OSError) -> None:
            found.missing.append((str(error.filename), refusal(error)))

        for path in self.files(folder, found, refused):
            source = self.source(folder, path)
            if isinstance(source, str):
                found.left_out.append((str(path), source))
            elif (before := found.add(source)) and any(map(os.path.islink, (before.path, path))):
                found.left_out.append((str(path), f"the same file as {named(before.name)}"))

    def files(self, folder: Path, found: Found, refused: Callable[[OSError], None]) -> Iterator[Path]:
        """What may be pictures of a folder, by their names; `refused` hears of what may not be looked into."""
        waiting = [Path()]  # to be searched, below the first; the last of them next
        while waiting:
            below, folders = waiting.pop(), list[str]()
            here = folder / below
            try:
                names = in_order(listed(here, folders))
            except OSError as error:
                refused(error)
                continue
            waiting += [below / name for name in reversed(self._entered(folder, here, folders, found))]
            for name in names:
                path = here / name
                if name[0] != "." and name.lower() not in LITTER and not self._ours(path):
                    yield path

    def source(self, folder: Path, path: Path) -> Source | str:
        """A picture of a searched folder, or why what lies there is left out."""
        relative = path.relative_to(folder)
        reason = self.choice.refuses(relative)
        reason = reason or (None if path.suffix.lower() in SUFFIXES else _no_picture(path))
        reason = reason or self.choice.is_small(path)
        return Source(str(path), path, relative, folder=folder) if reason is None else reason

    def _entered(self, root: Path, here: Path, folders: Sequence[str], found: Found) -> list[str]:
        """Which folders in a searched one are searched, too; the others are left out."""
        ours = os.path.realpath(self.output) if self.output else None
        entered = []
        for name in sorted(folders):
            path = here / name
            if name[0] == "." or os.path.realpath(path) == ours:
                continue
            if not self.recursive:
                found.left_out.append((str(path), "a subfolder (`recursive=True` looks into it)"))
            elif os.path.islink(path):  # noqa: PTH114  it may lead back here; is_symlink raises where nobody may look
                found.left_out.append((str(path), "a link to a folder, which is not followed"))
            elif reason := self.choice.refuses(path.relative_to(root), folder=True):
                found.left_out.append((str(path), reason))
            else:
                entered.append(name)
        return entered

    def _ours(self, path: Path) -> bool:
        """Whether it is an output of an earlier run, or lies beside one: `photo.restored.jpg.residuals`."""
        return self._tagged(path) or self._tagged(Path(path.stem))


def _no_picture(path: Path) -> str | None:
    """Why a file whose suffix is none of a picture is none by its content either; None where it is one."""
    try:
        with regular(path) as file:
            head = file.read(SIGNATURE_BYTES)
    except (OSError, ImageError) as error:
        return refusal(error) if isinstance(error, OSError) else error.reason
    return None if recognise(head) or raw.is_raw(head) else NO_PICTURE


def source_of(one: str) -> Source:
    """The picture of a path or URL."""
    path = Path(one)
    return Source(one, path, Path(path.name))
