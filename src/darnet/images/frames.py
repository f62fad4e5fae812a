"""A constant border around a picture: a scan's mount, a letterbox, a wall's passe-partout. It is no evidence of damage.

H, W: height and width; C: channels. A line is a row or a column.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from darnet.images import scratch
from darnet.images.arrays import full_scale
from darnet.images.regions import Region
from darnet.images.scratch import Array

#: How far samples of a frame may lie from its colour, in 8-bit levels: what JPEG at a usual quality does to it.
TOLERANCE = 3
#: Share of a line that must be of the frame's colour: JPEG's ringing at a corner may spoil a little.
CONSTANT_SHARE = 0.995
#: A frame ends in a straight edge: in the lines that follow, but for those that JPEG mixes, most pixels differ from it.
#: A white sky, a black night and the margin of a page, in which lines are constant too, end here and there.
MIXED_PX, EDGE_PX, EDGE_LEVELS, EDGE_SHARE = 8, 24, 8, 0.6
#: What is left inside must be worth being looked at.
SMALLEST_INSIDE_PX = 32
#: Lines that are looked at together.
AT_ONCE = 16


def inside(values: Array) -> Region:
    """What lies inside the frame of a picture (H, W, C); all of it where there is none on any side."""
    height, width = values.shape[:2]
    top, bottom, left, right = 0, height, 0, width
    for _ in range(2):  # rows that end in another frame's columns are constant only once those are gone
        part = values[top:bottom, left:right]
        above, below = _thickness(part, _rows), _thickness(part[::-1], _rows)
        top, bottom = top + above, bottom - below
        turned = np.swapaxes(values[top:bottom, left:right], 0, 1)
        before, after = _thickness(turned, _columns), _thickness(turned[::-1], _columns)
        left, right = left + before, right - after
        if min(bottom - top, right - left) < SMALLEST_INSIDE_PX:
            return Region(0, 0, height, width)
        if not (above or below or before or after):
            break
    return Region(top, left, bottom - top, right - left)


def _thickness(lines: Array, read: Callable[[Array], Array]) -> int:
    """How many of the first lines of (L, N, C) are a frame; `read` gives those that it is asked for."""
    scale = full_scale(lines.dtype) / 255
    if not len(lines):
        return 0
    colour = np.median(read(lines[:1])[0], axis=0).astype(np.float32)
    count = 0
    for start in range(0, len(lines), AT_ONCE):
        for line in read(lines[start : start + AT_ONCE]):
            if (np.abs(line - colour).max(axis=-1) <= TOLERANCE * scale).mean() < CONSTANT_SHARE:
                break
            count += 1
        if count < start + AT_ONCE:
            break
    if not count or count + MIXED_PX >= len(lines):
        return 0
    edge = np.abs(read(lines[count + MIXED_PX : count + EDGE_PX]) - colour).max(axis=-1) > EDGE_LEVELS * scale
    return count if edge.mean() >= EDGE_SHARE else 0


def _rows(lines: Array) -> Array:
    """Rows lie in a row in memory."""
    return lines


def _columns(lines: Array) -> Array:
    """Columns, copied rows by rows: in a mapped picture each alone would touch all of it."""
    columns = np.empty(lines.shape, lines.dtype)
    across = np.swapaxes(lines, 0, 1)
    for rows in scratch.strips(across):
        columns[:, rows] = lines[:, rows]
    return columns
