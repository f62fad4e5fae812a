"""Whoever watches a suite being measured."""

from __future__ import annotations

from typing import Protocol as Structure

from darnet.benchmark.rows import Record


class Progress(Structure):
    """Is told how much there is to do, and what was done."""

    def expect(self, pictures: int) -> None:
        """So many pictures more."""

    def advance(self, record: Record) -> None:
        """One picture is done."""


class _Nobody:
    def expect(self, pictures: int) -> None:
        """Nobody waits."""

    def advance(self, record: Record) -> None:
        """Nobody looks."""


NOBODY = _Nobody()
