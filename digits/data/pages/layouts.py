"""What stands on a composed page, and where."""

from __future__ import annotations

import math
from collections.abc import Callable

from digits.data.pages.canvas import Canvas


def _log_uniform(canvas: Canvas, low: float, high: float) -> float:
    return math.exp(canvas.dice.uniform(math.log(low), math.log(high)))


def lines(canvas: Canvas) -> None:
    """Lines of numbers, with gaps from overlapping to wide; now and then a word or a sign between."""
    dice, side = canvas.dice, canvas.side
    height = _log_uniform(canvas, 11, 100)
    pitch = height * dice.uniform(1.15, 2.4)
    gap = dice.choice([dice.uniform(-0.14, 0.05), dice.uniform(0.02, 0.3), dice.uniform(0.05, 0.9)])
    gap = max(gap, -0.02) if height < 16 else gap
    has_words, has_signs = dice.random() < 0.25, dice.random() < 0.3
    y = dice.uniform(-0.3, 0.7) * height if dice.random() < 0.6 else dice.uniform(0.2, 0.8) * side
    last = side + height if dice.random() < 0.6 else y + pitch * dice.randint(1, 3)
    number = 0
    if dice.random() < 0.25:
        ruling(canvas, pitch, y + 0.5 * height)
    while y < last:
        x = dice.uniform(-0.2, 0.5) * side if dice.random() < 0.7 else -height
        while x < side + height:
            for _ in range(dice.choice([1, 2, 2, 3, 4, 5, 6, 8, 12])):
                size = height * math.exp(dice.gauss(0, 0.07))
                # Half of the width is not known before it is written: look ahead with a usual one.
                x += 0.3 * height
                width = canvas.digit(x, y + dice.gauss(0, 0.05) * height, size, number)
                x += max(0.0, width - 0.3 * height) + gap * height
            x += height * dice.uniform(0.4, 2.5)
            if has_words and dice.random() < 0.3:
                x += word(canvas, x, y, height * dice.uniform(0.5, 1.1)) + height * 0.7
            if has_signs and dice.random() < 0.5:
                x += sign(canvas, x, y, height) + height * 0.5
            if dice.random() < 0.3:
                break
        y += pitch
        number += 1
        if dice.random() < 0.1:
            canvas.change_writer()


def scattered(canvas: Canvas) -> None:
    """Digits of all sizes, letters and signs among them, none upon another."""
    dice, side = canvas.dice, canvas.side
    low = _log_uniform(canvas, 11, 60)
    taken: list[tuple[float, float, float]] = []
    letters = dice.choice([0.0, 0.2, 0.5])
    for _ in range(dice.randint(2, 60)):
        height = _log_uniform(canvas, low, min(150, 2.5 * low))
        x, y = dice.uniform(0, side), dice.uniform(0, side)
        if any(math.hypot(x - a, y - b) < 0.62 * (height + c) for a, b, c in taken):
            continue
        taken.append((x, y, height))
        if dice.random() < letters:
            canvas.sprite(dice.choice(canvas.sprites.letters), x, y, height * 0.8, dice.gauss(0, 8))
        else:
            canvas.digit(x, y, height)
            if dice.random() < 0.3:
                canvas.change_writer()


def single(canvas: Canvas) -> None:
    """One digit that fills much of the picture, or a few."""
    dice, side = canvas.dice, canvas.side
    height = _log_uniform(canvas, 40, 235)
    count = dice.choice([1, 1, 1, 2, 3])
    height = height if count == 1 else min(height, 1.1 * side / count)
    for number in range(count):
        x = side * (number + 0.5) / count + dice.gauss(0, 0.05) * side
        canvas.digit(x, side / 2 + dice.gauss(0, 0.07) * side, height)
    if dice.random() < 0.2:
        specks(canvas)
    if dice.random() < 0.15:
        edge = dice.uniform(0, 0.06) * side
        canvas.frame(edge, edge, side - edge, side - edge, dice.uniform(1, 8), dice.uniform(0.3, 1))


def grid(canvas: Canvas) -> None:
    """A table, a sudoku, a sheet of tiles: digits in cells, with or without lines between."""
    dice, side = canvas.dice, canvas.side
    across = _log_uniform(canvas, 17, 100)
    down = across * (dice.uniform(0.9, 1.1) if dice.random() < 0.7 else dice.uniform(0.6, 1.4))
    left, top = dice.uniform(-across, 0.4 * side), dice.uniform(-down, 0.4 * side)
    columns = min(dice.randint(2, 14), math.ceil((side - left) / across) + 1)
    rows = min(dice.choice([1, 1, 2, 3, 5, 9, 14]), math.ceil((side - top) / down) + 1)
    fill, printed = dice.choice([1.0, 1.0, 0.7, 0.4]), dice.choice([0.0, 0.0, 0.4, 1.0])
    height = min(down, 1.2 * across) * dice.uniform(0.45, 0.86)
    thickness = _log_uniform(canvas, 1, max(1.5, 0.16 * across)) if dice.random() < 0.8 else 0
    strength = dice.choice([1.0, dice.uniform(0.3, 1.0)])
    apart = dice.choice([0.0, 0.0, dice.uniform(0.05, 0.3)])
    if thickness and not apart:
        thick = dice.choice([1, 1, 2.5])
        for row in range(rows + 1):
            width = thickness * (thick if row % 3 == 0 else 1)
            canvas.rule(left, top + row * down, left + columns * across, top + row * down, width, strength)
        for column in range(columns + 1):
            width = thickness * (thick if column % 3 == 0 else 1)
            canvas.rule(left + column * across, top, left + column * across, top + rows * down, width, strength)
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.5) * across, top + (row + 0.5) * down
            if thickness and apart:
                a, b = across * (1 - apart) / 2, down * (1 - apart) / 2
                canvas.frame(x - a, y - b, x + a, y + b, min(thickness, 0.08 * across), strength)
            if dice.random() > fill:
                if dice.random() < 0.08 and height > 14:
                    canvas.sprite(dice.choice(canvas.sprites.letters), x, y, 0.7 * height)
                continue
            if printed in (0.4,):
                canvas.change_writer(printed=dice.random() < printed)
            canvas.digit(x + dice.gauss(0, 0.04) * across, y + dice.gauss(0, 0.04) * down, height * (1 - apart), row)


def sums(canvas: Canvas) -> None:
    """Sums: numbers one above another, signs, and the rule below; or in a row with an equals sign."""
    dice, side = canvas.dice, canvas.side
    height = _log_uniform(canvas, 13, 70)
    y, number = dice.uniform(0, 1.5) * height, 0
    while y < side + height:
        x = dice.uniform(0, 0.4) * side
        if dice.random() < 0.5:
            while x < side:
                for _ in range(dice.randint(1, 3)):
                    x += canvas.digit(x, y, height, number) + dice.uniform(0.02, 0.3) * height
                x += 0.15 * height
                x += sign(canvas, x, y, height) + 0.6 * height
            y += 1.6 * height
        else:
            right = x + dice.randint(2, 5) * height
            for _ in range(dice.randint(2, 3)):
                for place in range(dice.randint(1, 4)):
                    canvas.digit(right - 0.85 * place * height, y, height, number)
                y, number = y + 1.3 * height, number + 1
            sign(canvas, x - 0.6 * height, y - 1.3 * height, height)
            canvas.rule(x - height, y - 0.6 * height, right + height, y - 0.6 * height, dice.uniform(1, 4))
            y += 0.3 * height
        number += 1


def form(canvas: Canvas) -> None:
    """Printed labels, each with boxes, a line or nothing, and a number written there."""
    dice, side = canvas.dice, canvas.side
    height = _log_uniform(canvas, 13, 60)
    y, number = dice.uniform(0, 1) * height, 0
    size = height * dice.uniform(0.35, 0.9)
    style = dice.choice(["boxes", "line", "dots", "none", "frame"])
    while y < side + height:
        x = dice.uniform(-0.1, 0.3) * side
        for _ in range(dice.randint(1, 3)):
            x += word(canvas, x, y + dice.uniform(-0.1, 0.2) * height, size) + 0.5 * size
            if dice.random() < 0.5:
                break
        count, start = dice.randint(1, 8), x
        pitch = height * dice.uniform(0.75, 1.2)
        if dice.random() < 0.85:
            for _ in range(count):
                if style == "boxes":
                    canvas.frame(x, y - 0.65 * height, x + 1.05 * pitch, y + 0.65 * height, dice.uniform(1, 2.4), 0.8)
                canvas.digit(x + pitch / 2, y, height * dice.uniform(0.8, 1), number)
                x += 1.05 * pitch
        if style == "line":
            canvas.rule(start, y + 0.62 * height, start + 9 * height, y + 0.62 * height, 1.3, dice.uniform(0.4, 1))
        elif style == "frame":
            canvas.frame(start - 0.2 * height, y - 0.7 * height, x + 0.4 * height, y + 0.7 * height, 1.5)
        elif style == "dots":
            for dot in range(30):
                canvas.blob(start + 0.25 * dot * height, y + 0.6 * height, 1, 1, 0.8)
        y, number = y + height * dice.uniform(1.5, 2.6), number + 1


def document(canvas: Canvas) -> None:
    """Print or handwriting over the whole page, perhaps with a number that is written into it."""
    dice, side = canvas.dice, canvas.side
    size = _log_uniform(canvas, 5, 42)
    y = dice.uniform(-size, size)
    hole = (dice.uniform(0, side), dice.uniform(0, side)) if dice.random() < 0.5 else None
    height = _log_uniform(canvas, 14, 60)
    count = dice.randint(1, 6)
    words = canvas.sprites.hand_words if dice.random() < 0.4 else canvas.sprites.words
    while y < side + size:
        x = dice.uniform(-3, 1) * size
        while x < side:
            phrase = dice.choice(words)
            width = size * phrase.width / phrase.height
            is_in_hole = hole and abs(y - hole[1]) < 0.8 * height + size and x + width > hole[0] - height
            if not (is_in_hole and hole and x < hole[0] + count * height):
                canvas.sprite(phrase, x + width / 2, y, size * dice.uniform(0.9, 1.1))
            x += width + 0.4 * size
        y += size * dice.uniform(1.2, 2.2)
    if hole:
        for place in range(count):
            canvas.digit(hole[0] + 0.85 * place * height, hole[1], height)


def nothing(canvas: Canvas) -> None:
    """No digit at all: letters, words, signs, scribbles, shapes, or an empty page."""
    dice, side = canvas.dice, canvas.side
    kind = dice.choice(
        ["empty", "empty", "empty", "letters", "letters", "words", "signs", "scribbles", "shapes", "specks"]
    )
    if kind == "letters":
        size = _log_uniform(canvas, 12, 110)
        for row in range(math.ceil(side / size / 1.3)):
            for column in range(math.ceil(side / size)):
                if dice.random() < 0.7:
                    letter = dice.choice(canvas.sprites.letters)
                    canvas.sprite(
                        letter, (column + 0.5) * size, (row + 0.5) * size * 1.3, 0.75 * size, dice.gauss(0, 4)
                    )
    elif kind == "words":
        for _ in range(dice.randint(1, 12)):
            word(canvas, dice.uniform(-40, 0.8 * side), dice.uniform(0, side), _log_uniform(canvas, 8, 110))
    elif kind == "signs":
        for _ in range(dice.randint(2, 25)):
            sign(canvas, dice.uniform(0, side), dice.uniform(0, side), _log_uniform(canvas, 14, 90))
    elif kind == "scribbles":
        for _ in range(dice.randint(1, 8)):
            scribble(canvas)
    elif kind == "shapes":
        for _ in range(dice.randint(1, 14)):
            shape(canvas)
    elif kind == "specks":
        specks(canvas)
        specks(canvas)


def word(canvas: Canvas, x: float, y: float, size: float) -> float:
    """Put a word or a few with their left end at x; returns the width."""
    phrase = canvas.dice.choice(canvas.sprites.words if canvas.dice.random() < 0.6 else canvas.sprites.hand_words)
    width = size * phrase.width / phrase.height
    canvas.sprite(phrase, x + width / 2, y, size)
    return width


def sign(canvas: Canvas, x: float, y: float, height: float) -> float:
    """Put an operator or a punctuation mark with its left end at x; returns the width."""
    sprite = canvas.dice.choice(canvas.sprites.signs)
    size = height * min(1.3, max(0.05, sprite.height / 60)) * canvas.dice.uniform(0.7, 1.2)
    width = size * sprite.width / sprite.height
    if width > 2 * height:
        return 0.0
    canvas.sprite(sprite, x + width / 2, y, size, canvas.dice.gauss(0, 4))
    return width


def scribble(canvas: Canvas) -> None:
    dice, side = canvas.dice, canvas.side
    x, y, reach = dice.uniform(0, side), dice.uniform(0, side), _log_uniform(canvas, 10, 120)
    points = [(x, y)]
    turn = dice.uniform(0, 6.3)
    for _ in range(dice.randint(6, 40)):
        turn += dice.gauss(0.3, 0.8)
        x, y = x + 0.3 * reach * math.cos(turn), y + 0.2 * reach * math.sin(turn)
        points.append((x, y))
    canvas.path(points, dice.uniform(1, 5), dice.uniform(0.4, 1))


def shape(canvas: Canvas) -> None:
    """A polygon, an arrow, a cross, a tick, a bracket or a filled blob."""
    dice, side = canvas.dice, canvas.side
    x, y, r = dice.uniform(0, side), dice.uniform(0, side), _log_uniform(canvas, 8, 90)
    width, kind = dice.uniform(1, 6), dice.randrange(6)
    if kind == 0:
        corners = dice.choice([3, 3, 4, 5, 6])
        start = dice.uniform(0, 6.3)
        angles = [start + 6.2832 * k / corners for k in range(corners + 1)]
        canvas.path([(x + r * math.cos(a), y + r * math.sin(a)) for a in angles], width)
    elif kind == 1:
        canvas.path([(x - 2 * r, y), (x + r, y)], width)
        canvas.path([(x + 0.5 * r, y - 0.4 * r), (x + r, y), (x + 0.5 * r, y + 0.4 * r)], width)
    elif kind == 2:
        canvas.path([(x - r, y - r), (x + r, y + r)], width)
        canvas.path([(x - r, y + r), (x + r, y - r)], width)
    elif kind == 3:
        canvas.path([(x - 0.5 * r, y), (x, y + 0.6 * r), (x + r, y - r)], width)
    elif kind == 4:
        canvas.frame(x - r, y - r * dice.uniform(0.4, 1), x + r, y + r, width, dice.uniform(0.4, 1))
    else:
        canvas.blob(x, y, r * dice.uniform(0.1, 0.5), r * dice.uniform(0.1, 0.5), dice.uniform(0.3, 1))


def specks(canvas: Canvas) -> None:
    dice, side = canvas.dice, canvas.side
    for _ in range(dice.randint(3, 40)):
        reach = _log_uniform(canvas, 0.6, 4)
        canvas.blob(
            dice.uniform(0, side), dice.uniform(0, side), reach, reach * dice.uniform(0.5, 1), dice.uniform(0.3, 1)
        )


def ruling(canvas: Canvas, pitch: float, base: float | None = None) -> None:
    """Ruled or squared paper; lines may be as dark as the ink."""
    dice, side = canvas.dice, canvas.side
    strength = dice.choice([dice.uniform(0.15, 0.5), dice.uniform(0.3, 1.0)])
    width = dice.choice([1, 1, 1, 2, 3])
    start = dice.uniform(0, pitch) if base is None else base
    reach = 0.3 * side
    lowest = start - math.ceil((start + reach) / pitch) * pitch
    squares = dice.random() < 0.4
    if squares:
        pitch = pitch / dice.choice([1, 1, 2, 3])
    pitch = max(pitch, 7)
    at = lowest
    while at < side + reach:
        canvas.rule(-reach, at, side + reach, at, width, strength)
        if squares:
            canvas.rule(at, -reach, at, side + reach, width, strength)
        at += pitch


LAYOUTS: dict[str, tuple[float, Callable[[Canvas], None]]] = {
    "lines": (0.27, lines),
    "scattered": (0.1, scattered),
    "single": (0.12, single),
    "grid": (0.17, grid),
    "sums": (0.06, sums),
    "form": (0.1, form),
    "document": (0.08, document),
    "nothing": (0.1, nothing),
}
"""Each kind of page with its share."""
