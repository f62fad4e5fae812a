from __future__ import annotations

import pytest

from darnet import errors


def tree() -> list[type[errors.DarnetError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, errors.DarnetError)]


@pytest.mark.parametrize("error", tree(), ids=lambda error: error.__name__)
def test_the_docstring_draws_every_error_with_its_exit_code(error: type[errors.DarnetError]) -> None:
    lines = [line.split() for line in (errors.__doc__ or "").splitlines()]
    drawn = {words[i]: words[i + 1] for words in lines for i in range(len(words) - 1)}
    assert drawn[error.__name__] == str(error.exit_code)


def test_errors_about_files_name_the_file_and_the_reason() -> None:
    assert str(errors.ImageError("a/b.jpg", "truncated")) == "a/b.jpg: truncated"
    assert str(errors.WeightsError("w", "damaged")) == "w: damaged"


def test_an_unknown_name_gets_the_known_ones_and_the_nearest() -> None:
    error = errors.UnknownNameError("expert", "noize", ["noise", "blur"])
    assert str(error) == "no expert called 'noize'; did you mean 'noise'? (there are: blur, noise)"
    assert str(errors.UnknownNameError("expert", "x", [])) == "no expert called 'x' (there are: none)"
