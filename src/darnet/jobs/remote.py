"""Remote: files on object stores and whatever else fsspec reaches, by their URL: `s3://bucket/folder/photo.jpg`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from darnet.errors import DarnetError, ImageError, MissingPackageError, UsageError, named, one_line
from darnet.registry import optional

#: Bytes that are held at once where a file is copied.
PART_BYTES = 2**22


def is_remote(name: str | None) -> bool:
    """Whether a name is a URL of something else than a file of this machine, which has a path (`as_path`).

    >>> is_remote("s3://bucket/a.jpg"), is_remote("photos/a.jpg"), is_remote("file:///a.jpg")
    (True, False, False)
    """
    found = re.match(r"([a-z][a-z0-9+.-]+)://", name or "")
    return found is not None and found[1] not in {"file", "local"}


def as_path(name: str) -> str:
    """A name with the path in place of the URL of a file of this machine, which appears at once as others do.

    Raises UsageError for a URL of such a file that has no whole path.

    >>> as_path("file:///photos/a%20b.jpg"), as_path("photos/a.jpg"), as_path("s3://bucket/a.jpg")
    ('/photos/a b.jpg', 'photos/a.jpg', 's3://bucket/a.jpg')
    """
    found = re.match(r"(file|local)://(localhost)?", name)
    if found is None:
        return name
    from urllib.request import url2pathname  # which takes 30 ms to import

    if not name.startswith("/", found.end()):
        raise UsageError(f"{named(name)}: expected file:// and a whole path, as in file:///photos/a.jpg")
    return url2pathname(name[found.end() :])


def join(folder: str, name: str) -> str:
    """The URL of what lies in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def place(folder: str | None, source: str, below: str, tagged: str) -> str:
    """The URL that an output has: `below` the folder, or `tagged` where it would lie beside its source.

    >>> place("s3://bucket/out/", "s3://bucket/in/sub/a.jpg", "sub/a.jpg", "a.restored.jpg")
    's3://bucket/out/sub/a.jpg'
    >>> place(None, "s3://bucket/in/sub/a.jpg", "sub/a.jpg", "a.restored.jpg")
    's3://bucket/in/sub/a.restored.jpg'
    """
    beside = join(source.rpartition("/")[0], tagged)
    if folder is None:
        return beside
    url = join(folder, below)
    return beside if url.rpartition("/")[0] == source.rpartition("/")[0] else url


def listing(url: str, *, recursive: bool) -> Iterator[str]:
    """The URLs of the files in a folder, folder by folder, in their order; of a file, its own. Raises ImageError."""
    with _reaching(url) as (files, path):
        files.invalidate_cache()
        if files.info(path)["type"] == "file":
            yield url
            return
        for folder, _, names in files.walk(path, maxdepth=None if recursive else 1, on_error="raise"):
            below = PurePosixPath(folder.strip("/")).relative_to(path.strip("/"))
            for name in sorted(filter(None, names)):
                yield join(url, (below / name).as_posix())


def head(url: str, size: int) -> bytes:
    """The first bytes of a file. Raises ImageError."""
    with _reaching(url) as (files, path), files.open(path, "rb", block_size=max(size, 2**16)) as file:
        return bytes(file.read(size))


def parts(url: str) -> Iterator[bytes]:
    """All bytes of a file, some after the other. Raises ImageError."""
    with _reaching(url) as (files, path), files.open(path, "rb", block_size=PART_BYTES) as file:
        yield from iter(partial(file.read, PART_BYTES), b"")


def check_free(url: str, *, overwrite: bool) -> None:
    """Raise ImageError if a file may not be written."""
    with _reaching(url) as (files, path):
        files.invalidate_cache()
        if not overwrite and files.exists(path):
            raise ImageError(url, "exists already; `overwrite=True` replaces it")


def check_reachable(url: str) -> None:
    """Find out before the work whether what reaches a URL is there; of its files none is asked for.

    Raises MissingPackageError for an extra, UsageError for a name that no file system has, ImageError for else.
    """
    with _reaching(url):
        pass


def check_lasting(outputs: Iterable[str]) -> None:
    """Raise UsageError for an output in the memory of a process, for who writes it in one that ends with the work.

    >>> check_lasting(["a.jpg", "s3://bucket/a.jpg"])
    """
    for output in outputs:
        if output.startswith("memory://"):
            raise UsageError(f"`output={output!r}`: is the memory of a process, and lost when that ends")


def write(url: str, data: Iterable[bytes]) -> None:
    """Write a file: object stores show all of it, or nothing. Raises ImageError."""
    with _reaching(url) as (files, path):
        files.pipe_file(path, b"".join(data))


@contextmanager
def _reaching(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL, and its path there; whatever goes wrong names the URL.

    Raises ImageError, MissingPackageError for a file system that an extra brings, UsageError for one of no such name.
    """
    try:
        yield optional("fsspec", "remote").core.url_to_fs(url)
    except DarnetError:
        raise
    except ImportError as error:
        raise MissingPackageError(f"{named(url)}: {one_line(error)}: pip install 'darnet[remote]'") from error
    except FileNotFoundError as error:
        reason, cause = "no such file, folder or bucket", error.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
            reason = one_line(cause)  # fsspec says so, too, of a host that it cannot reach
        raise ImageError(url, reason) from None
    except PermissionError as error:
        raise ImageError(url, f"permission denied ({one_line(error)})") from None
    except ValueError as error:
        if "Protocol not known" in str(error):
            raise UsageError(f"{named(url)}: {one_line(error)}") from None
        raise ImageError(url, one_line(error)) from None
    except Exception as error:  # of whatever library speaks to the store
        raise ImageError(url, one_line(error)) from None
