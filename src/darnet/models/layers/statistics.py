"""What layers measure over a whole picture: means, and products of channels (attention across channels).

A tile has other means than its picture, so tiles that measure for themselves disagree. The statistics of a picture are
therefore taken once and given to each of its tiles. The other remedy, TLC (Chu et al. 2022), measures around each pixel
at the size of the crops of training; through eight layers that reaches thousands of pixels, so tiles would disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor


class Statistics:
    """Statistics of one picture, in the order in which layers ask for them during one call of a network.

    `given`: those of an earlier call, of which each layer gets its own and measures nothing. None: each measures what
    it is shown. Either way they are in `taken` afterwards.
    """

    def __init__(self, given: Sequence[Tensor] = ()) -> None:
        self.taken: list[Tensor] = []
        self._given = iter(given) if given else None

    def __call__(self, measure: Callable[[], Tensor]) -> Tensor:
        """The statistic of the layer that asks; `measure` is called where none is given."""
        self.taken.append(measure() if self._given is None else next(self._given))
        return self.taken[-1]
