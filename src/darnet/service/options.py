"""Options: what a form says besides the picture's file, and the job that it means."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darnet.errors import UnknownNameError, UsageError, fault
from darnet.images.image import BitDepth, MetadataChoice, ProfileChoice
from darnet.jobs import Encoding, Job
from darnet.jobs.encoding import Extension
from darnet.restore.strength import strength_of

#: The parts of a form that are files: the picture, and where it is to be repaired.
FILE, MASK = "file", "mask"
Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    """What is to be done with a picture, as a form says it. Each is what `darnet restore` has of the same name.

    >>> Options.of([("as", "noise,jpeg"), ("strength", "noise=0.5")]).kinds
    ('noise', 'jpeg')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: Annotated[
        tuple[str, ...],
        Field(alias="as", description="Skip the diagnosis: this is what is wrong. Repeat, or separate by commas."),
    ] = ()
    strength: Annotated[str, Field(description="How much is kept, 0 to 1; noise=0.5,jpeg=1: of each kind.")] = "1"
    luma: Annotated[Share, Field(description="How much of it is kept in brightness.")] = 1.0
    chroma: Annotated[Share, Field(description="How much of it is kept in colour.")] = 1.0
    format: Annotated[Extension, Field(description="Of the answer; auto: what came in.")] = "auto"
    quality: Annotated[int | None, Field(ge=1, le=100, description="Of JPEG, WebP, AVIF and HEIC.")] = None
    bit_depth: Annotated[BitDepth, Field(description="Bits per sample; auto: what came in.")] = "auto"
    metadata: Annotated[MetadataChoice, Field(description="EXIF, XMP and IPTC: keep or leave out.")] = "keep"
    icc: Annotated[ProfileChoice, Field(description="Colour profile: keep it, or convert to sRGB.")] = "keep"
    first: Annotated[bool, Field(description="Of several pages or frames the first; default: all.")] = False
    max_steps: Annotated[int | None, Field(ge=1, description="At most so many repairs.")] = None
    min_confidence: Annotated[Share | None, Field(description="What is less certain is left alone.")] = None

    @classmethod
    def of(cls, fields: Iterable[tuple[str, str]]) -> Options:
        """What the fields of a form say. Raises UsageError, or UnknownNameError for one that there is not."""
        given: dict[str, Any] = {}
        for name, text in fields:
            if name == "as":
                given["as"] = (*given.get("as", ()), *(kind.strip() for kind in text.split(",")))
            elif name in given:
                raise UsageError(f"`{name}`: given twice")
            else:
                given[name] = text
        for name in given:
            if name in (FILE, MASK):
                raise UsageError(f"`{name}`: expected a file, not text (with curl: -F {name}=@photo.png)")
            if name not in (known := cls.names()):
                raise UnknownNameError("option", name, known)
        try:
            options = cls.model_validate(given)
        except ValidationError as error:
            name, reason = fault(error)
            raise UsageError(f"`{name}={error.errors()[0]['input']!r}`: {reason}") from None
        options._refuse_idle()
        return options

    @classmethod
    def names(cls) -> list[str]:
        """How a form calls them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def schema_of_form(cls, *, only_file: bool = False) -> dict[str, Any]:
        """What OpenAPI says of a form with a picture and these; `only_file`: without these."""
        file = {"type": "string", "format": "binary"}
        properties: dict[str, Any] = {FILE: {**file, "description": "The picture."}}
        if not only_file:
            where = "Of the picture's size: black is left alone, white repaired, grey blended."
            properties |= {MASK: {**file, "description": where}, **cls.model_json_schema()["properties"]}
        body = {"type": "object", "required": [FILE], "properties": properties, "additionalProperties": False}
        return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}

    def job(self, max_pixels: int, mask: Path | None = None) -> Job:
        """What is done; `mask`: its file, if any. Raises UsageError for an encoding or strength that makes no sense."""
        encoding = Encoding(self.format, self.quality, self.bit_depth, self.metadata, self.icc)
        strength = strength_of([self.strength], self.luma, self.chroma)
        where = None if mask is None else str(mask)
        return Job(self.kinds, strength, encoding, max_pixels=max_pixels, first=self.first, mask=where)

    def _refuse_idle(self) -> None:
        for name in ("max_steps", "min_confidence"):
            if self.kinds and getattr(self, name) is not None:
                raise UsageError(f"`{name}`: chooses among what is found; with `as` all that is named is repaired")
