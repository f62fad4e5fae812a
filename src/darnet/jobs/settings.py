"""Settings: all that decides what a picture becomes, but the picture; two runs of equal settings write equal files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darnet.errors import ImageError, WeightsError, refusal
from darnet.images.formats import regular
from darnet.jobs.inputs import PART_BYTES
from darnet.jobs.job import Job
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: Fields of `Job` that decide which pictures are restored, and none of what they become.
CHOOSING = frozenset(
    {"recursive", "overwrite", "dry_run", "fail_fast", "max_pixels", "include", "exclude", "min_size", "shard"}
)


@dataclass(frozen=True)
class Settings:
    """What pictures become: JSON that says which darnet, with which job, restorer and weights; and its SHA-256."""

    document: str

    @classmethod
    def of(cls, job: Job, spec: RestorerSpec) -> Settings:
        """Of a job, with what its restorer's weights and its mask hold, and what the machine says of backends.

        Raises UnknownNameError or WeightsError for a system, ImageError for a mask that is not there.
        """
        from darnet.engines.choosing import stated

        restorer = spec.model_dump(mode="json") | {"backend": stated(spec.backend)}
        known = {"darnet": __version__, "job": chosen(job), "restorer": restorer}
        known["weights"] = _weights(spec)
        if job.mask is not None:
            known["mask"] = sha256_of(Path(job.mask))
        return cls(json.dumps(known, sort_keys=True))

    @property
    def digest(self) -> str:
        """In hexadecimal; where a system lies does not matter, nor how much memory there is."""
        known = json.loads(self.document)
        del known["restorer"]["system"], known["restorer"]["max_memory"], known["job"]["mask"]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def chosen(job: Job) -> dict[str, Any]:
    """What of a job decides what pictures become, as JSON."""
    known = {name: value for name, value in asdict(job).items() if name not in CHOOSING}
    return known | {"kinds": list(job.kinds)}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises ImageError."""
    found = hashlib.sha256()
    try:
        with regular(path) as file:
            for part in iter(partial(file.read, PART_BYTES), b""):
                found.update(part)
        return found.hexdigest()
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def _weights(spec: RestorerSpec) -> dict[str, str]:
    """The SHA-256 of what says of a system which parts it has, and of what says of each which weights."""
    from darnet.models import cards
    from darnet.systems import manifest

    system, folder = manifest.read_system(spec.system)
    found = {manifest.SYSTEM: folder / manifest.SYSTEM}
    for name in {system.router, *system.experts.values(), *system.large_experts.values()}:
        part = manifest.part(folder, name)
        reference = part / cards.REFERENCE
        found[name] = reference if reference.is_file() else part / cards.CARD
    try:
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}
    except OSError as error:
        raise WeightsError(error.filename or folder, refusal(error)) from None
