from __future__ import annotations

import numpy as np

from darnet.data.graphics.canvas import BLACK, WHITE, Canvas
from darnet.data.graphics.lettering import number, phrase, word, write_block, write_line, write_script


def canvas(seed: int = 0) -> Canvas:
    return Canvas(200, np.random.default_rng(seed))


def test_words_and_numbers_are_ascii_and_differ() -> None:
    chance = canvas()
    words = {word(chance) for _ in range(200)}
    assert len(words) > 100
    assert all(text.isascii() and text.isalpha() for text in words)
    assert all(any(sign.isdigit() for sign in number(chance)) for _ in range(50))
    assert len(phrase(chance, 4).split()) == 4


def test_text_stays_in_its_box() -> None:
    for seed in range(12):
        for write in (write_block, write_script):
            chance = canvas(seed)
            sheet = chance.sheet(WHITE, 1)
            write(chance, sheet.pen, (40, 50, 160, 150), 12, BLACK)
            ink = np.asarray(sheet.reduced()).min(axis=2) < 128
            rows, columns = np.nonzero(ink)
            assert ink.mean() > 0.005
            assert rows.min() >= 48
            assert rows.max() < 156
            assert columns.min() >= 38
            assert np.quantile(columns, 0.99) < 175  # a word longer than a line is not broken


def test_a_line_tells_its_width() -> None:
    sheet = canvas().sheet(WHITE, 1)
    width = write_line(sheet.pen, (10, 10), "Hamburg 123", 20, BLACK)
    columns = np.nonzero(np.asarray(sheet.reduced()).min(axis=(0, 2)) < 128)[0]
    assert abs(columns.max() - (10 + width)) < 4
