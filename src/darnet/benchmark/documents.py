"""The document of a run: all that was found for a suite, and its JSON form, the report of `darnet bench`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Self, TypeVar

from darnet.benchmark.protocol import Protocol
from darnet.benchmark.rows import Row, parse
from darnet.errors import DarnetError

Json = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """A picture that a method could not be measured on."""

    method: str
    set: str
    name: str
    level: float | None
    error: str


@dataclass(frozen=True)
class Part:
    """What was measured in one protocol. `left_out`: methods, sets or columns -> why."""

    protocol: Protocol
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> Json:
        """JSON form."""
        protocol = self.protocol
        return {
            "protocol": {
                "name": protocol.name,
                "digest": protocol.digest,
                "text": str(protocol),
                **asdict(protocol),
            },
            "rows": [row.to_dict() for row in self.rows],
            "failures": [asdict(failure) for failure in self.failures],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Part:
        """Back from the JSON form. Raises KeyError, TypeError, or DarnetError for a digest that is another's."""
        described = document["protocol"]
        protocol = Protocol(**{name: described[name] for name in Protocol.__dataclass_fields__})
        if protocol.digest != described["digest"]:
            raise DarnetError(f"protocol {described['name']} has the digest {protocol.digest}: {described['digest']}")
        rows = tuple(map(Row.from_dict, document["rows"]))
        failures = tuple(parse(Failure, failure) for failure in document["failures"])
        return cls(protocol, rows, failures, document["left_out"])


class Findings(ABC):
    """What a suite makes of its rows, or finds out beside them. Its keys stand in the document beside those of a part.

    Every subclass is a final, frozen dataclass, one a family of suites.
    """

    @abstractmethod
    def to_dict(self) -> Json:
        """JSON form."""

    @classmethod
    @abstractmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Back from the JSON form of the document that holds it. Raises KeyError or TypeError."""


@dataclass(frozen=True)
class Nothing(Findings):
    """Of suites whose rows say it all."""

    def to_dict(self) -> Json:
        """Nothing."""
        return {}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Nothing:
        """Nothing."""
        return cls()


Found = TypeVar("Found", bound=Findings)


@dataclass(frozen=True)
class Document(Generic[Found]):
    """All that was found for a suite: who asked for what, where, and what came out.

    `in_parts`: whether the suite measures in several protocols, so that its parts stand in a list.
    """

    suite: str
    command: str
    commit: str | None
    machine: Mapping[str, Any]
    parts: tuple[Part, ...]
    found: Found
    in_parts: bool = False

    @property
    def part(self) -> Part:
        """The only part."""
        (part,) = self.parts
        return part

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Of all parts."""
        return tuple(failure for part in self.parts for failure in part.failures)

    @property
    def left_out(self) -> dict[str, str]:
        """Of all parts."""
        return {name: reason for part in self.parts for name, reason in part.left_out.items()}

    def to_dict(self) -> Json:
        """JSON form."""
        head = {"suite": self.suite, "command": self.command, "commit": self.commit, "machine": dict(self.machine)}
        if not self.in_parts:
            return {**head, **self.part.to_dict(), **self.found.to_dict()}
        failures = [asdict(failure) for failure in self.failures]
        body = {"parts": [part.to_dict() for part in self.parts], "failures": failures, "left_out": self.left_out}
        return {**head, **body, **self.found.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], findings: type[Found]) -> Document[Found]:
        """Back from the JSON form. Raises what `Part` and `Findings` raise."""
        in_parts = "parts" in document
        parts = tuple(map(Part.from_dict, document["parts"] if in_parts else [document]))
        head = {name: document[name] for name in ("suite", "command", "commit", "machine")}
        return cls(**head, parts=parts, found=findings.from_dict(document), in_parts=in_parts)
