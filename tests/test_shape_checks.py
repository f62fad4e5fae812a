from __future__ import annotations

import importlib

import pytest
import torch
from jaxtyping import TypeCheckError

from darnet.models.views import Thumbnail
from darnet.routing import Routing
from shape_checks import CHECKED


def test_a_wrong_shape_is_an_error_while_tests_run() -> None:
    with pytest.raises(TypeCheckError, match="pictures"):
        Thumbnail(2)(torch.rand(3, 4, 4))
    with pytest.raises(TypeCheckError):
        Routing(torch.rand(2, 3), torch.rand(3, 2))


@pytest.mark.parametrize("name", CHECKED)
def test_every_checked_module_exists(name: str) -> None:
    importlib.import_module(f"darnet.{name}")
