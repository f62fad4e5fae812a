"""Pages and frames: of a picture of several the first says what is repaired, in which order; each says where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from darnet.images import scratch
from darnet.images.image import Image
from darnet.notices import overheard
from darnet.restore.result import Plan, Result

#: Restores one page, and nothing of its `frames`: as the plan says that another was repaired by, if there is any.
Treat = Callable[[Image, Plan], Result[Image]]


def restore_pages(treat: Treat, image: Image, *, named: bool = False) -> Result[Image]:
    """What `treat` makes of a picture, and of each of its `frames` by what was repaired of the picture.

    `named`: what is repaired does not depend on the first page. Steps, residuals and places are those of the first;
    the share of a step is of all pages. What is said of another page says of which, or which were not looked at.

    >>> import numpy as np
    >>> photos = [Image.of(np.full((8, 8, 3), grey, np.uint8)) for grey in (50, 90)]
    >>> def brighten(page, plan):
    ...     after = replace(page, array=page.array + 1)
    ...     return Result(after, (), 0.0, page, after)
    >>> restored = restore_pages(brighten, replace(photos[0], frames=(photos[1],)), named=True).restored
    >>> int(restored.array.max()), int(restored.frames[0].array.max())
    (51, 91)
    """
    result = _told(treat, image, ())
    plan = tuple(step.plan[0] for step in result.steps if step.expert is not None)
    if not image.frames or not (plan or named):
        unseen = range(2, 2 + (0 if result.left else len(image.frames)))
        return replace(result, warnings=(*result.warnings, *_unseen(unseen)))
    said, room, frames = dict[str, list[int]](), scratch.Room(), list[Image]()
    shares = [_shares(result)]
    for number, frame in enumerate(image.frames, 2):
        other = _told(treat, frame, plan)
        after = other.restored
        frames.append(replace(after, array=room.kept(after.array)) if other.changed else after)
        shares.append(_shares(other))
        for text in other.warnings:
            said.setdefault(text, []).append(number)
    texts = (f"{_pages(numbers)}: {text}" for text, numbers in said.items() if text not in result.warnings)
    steps = tuple(replace(step, share=_mean(shares, step.expert)) if step.expert else step for step in result.steps)
    result = replace(result, steps=steps, warnings=(*result.warnings, *texts))
    if not result.changed and all(after is frame for after, frame in zip(frames, image.frames, strict=True)):
        return result
    restored = replace(result.restored, frames=tuple(frames))
    return replace(result, image=restored, restored=restored)


def _told(treat: Treat, page: Image, plan: Plan) -> Result[Image]:
    """With what is said of the page meanwhile among its warnings."""
    with overheard() as said:
        result = treat(page, plan)
    return replace(result, warnings=(*result.warnings, *(one.beside(page.path) for one in said)))


def _shares(result: Result[Image]) -> tuple[int, dict[str, float]]:
    """The pixels of a page, and of each kind that was repaired in which share of them."""
    repaired = {step.expert: step.share for step in result.steps if step.expert is not None}
    return result.source.height * result.source.width, repaired


def _mean(shares: Iterable[tuple[int, dict[str, float]]], kind: str) -> float:
    """In which share of all pixels a kind was repaired."""
    parts = [(pixels, repaired.get(kind, 0.0)) for pixels, repaired in shares]
    return sum(pixels * share for pixels, share in parts) / sum(pixels for pixels, _ in parts)


def _unseen(numbers: range) -> list[str]:
    """What is to be said of pages that nobody looked at."""
    were = "was" if len(numbers) == 1 else "were"
    why = "the first is judged for all, and was left alone; `kinds` repairs all of them"
    return [f"{_pages(numbers)} {were} not looked at: {why}"] if numbers else []


def _pages(numbers: Iterable[int]) -> str:
    """Pages by their numbers, which ascend.

    >>> _pages([2]), _pages([2, 3, 4, 7])
    ('page 2', 'pages 2 to 4, 7')
    """
    runs = list[list[int]]()
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    several = len(runs) > 1 or len(runs[0]) > 1
    written = (str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
    return f"page{'s' if several else ''} {', '.join(written)}"
