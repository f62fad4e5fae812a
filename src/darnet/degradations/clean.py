"""Clean: the kind that means none. A router must know it, and leave it alone."""

from __future__ import annotations

from darnet.degradations.base import Clean
from darnet.degradations.kind import Kind

CLEAN = Kind("clean", {"clean": Clean}, severities={"clean": (Clean(),)})
