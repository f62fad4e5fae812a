"""darnet.parameters: what a text calls a parameter, said in other words. Flags: cli/test_flags.py; forms: service/."""

from __future__ import annotations

import pytest

from darnet.errors import named
from darnet.parameters import reworded, value_of


@pytest.mark.parametrize(
    ("written", "value"),
    [("True", True), ("['a', 'b']", ["a", "b"]), ("0.5", 0.5), ("cpu", "cpu"), ("2 GB", "2 GB"), (None, None)],
)
def test_values(written: str | None, value: object) -> None:
    assert value_of(written) == value


def test_what_is_no_parameter_stays() -> None:
    told = list[tuple[str, object]]()

    def say(name: str, value: object) -> str:
        told.append((name, value))
        return "X"

    text = f"`kinds=['a`b']`: {named('`first=True`.png')} and `Not one`, `size`"
    assert reworded(text, say) == "X: `first=True`.png and `Not one`, X"
    assert told == [("kinds", ["a`b"]), ("size", None)]
