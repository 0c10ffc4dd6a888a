# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How two geometries lie to each other: the matrix of nine intersections (OGC 06-103r4, 6.1.15).

Each is cut where it meets the other. What then lies on, in or beside the other does so as a whole, so that
one position of each piece tells which parts (inside, border, outside) of the two have what in common: a
position (0), a line (1), an area (2) or nothing (F).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from portal.sensorthings.geometry import BORDER, INSIDE, OUTSIDE, cuts, near, pieces, where
from portal.sensorthings.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portal.sensorthings.geometry import Position, Shape

_ROW: Final = {INSIDE: 0, BORDER: 1, OUTSIDE: 2}
_PATTERN: Final = re.compile(r"[TF012*]{9}")


class _Matrix:
    """Rows are the parts of the first, columns those of the second: inside, border, outside."""

    def __init__(self) -> None:
        self.cells = [[-1] * 3 for _ in range(3)]
        self.cells[2][2] = 2

    def note(self, one: int, two: int, dimension: int, *, turned: bool) -> None:
        row, column = (_ROW[two], _ROW[one]) if turned else (_ROW[one], _ROW[two])
        self.cells[row][column] = max(self.cells[row][column], dimension)

    def __str__(self) -> str:
        return "".join("F" if cell < 0 else str(cell) for row in self.cells for cell in row)


def relation(one: Shape, two: Shape) -> str:
    """Return the matrix of two geometries, row by row: `212101212` of two areas that overlap."""
    matrix = _Matrix()
    _note(one, two, matrix, turned=False)
    _note(two, one, matrix, turned=True)
    return str(matrix)


def _note(one: Shape, two: Shape, matrix: _Matrix, *, turned: bool) -> None:
    """Note what lies where of the first, and of what lies on both sides of its outlines."""
    for position in one.points:
        matrix.note(INSIDE, where(position, two), 0, turned=turned)
    own = BORDER if one.areas else INSIDE
    for position in _corners(one, two):
        matrix.note(_part(position, one), near(position, two), 0, turned=turned)
    for middle in pieces(one, two):
        there = near(middle, two)
        matrix.note(own, there, 1, turned=turned)
        if one.areas and there != BORDER:  # on both sides of an outline that is no outline of the other
            for side in (INSIDE, OUTSIDE):
                if two.areas or there == OUTSIDE:
                    matrix.note(side, there, 2, turned=turned)
    for area in one.areas:
        there = where(_somewhere_in(area), two) if two.areas else OUTSIDE
        if there != BORDER:  # through it goes an outline of the other, which tells more
            matrix.note(INSIDE, there, 2, turned=turned)


def _corners(one: Shape, two: Shape) -> Iterator[Position]:
    """Yield the positions of lines and outlines, and those where they meet the other's."""
    others = list(two.segments())
    for start, end in one.segments():
        yield start
        yield end
        for other in others:
            for along in cuts((start, end), other):
                yield start[0] + (end[0] - start[0]) * along, start[1] + (end[1] - start[1]) * along


def _part(position: Position, one: Shape) -> int:
    """Say of which part of a geometry a position of its own lines is: a line's ends are its border."""
    if one.areas:
        return BORDER
    ends = {end for line in one.lines if line[0] != line[-1] for end in (line[0], line[-1])}
    return BORDER if position in ends else INSIDE


def _somewhere_in(area: Sequence[Sequence[Position]]) -> Position:
    """Return a position inside of an area: in the widest gap that a line from west to east goes through."""
    heights = sorted({y for ring in area for _, y in ring})
    best = (-1.0, area[0][0])
    for south, north in pairwise(heights):
        y = (south + north) / 2
        across = sorted(
            x1 + (x2 - x1) * (y - y1) / (y2 - y1)
            for ring in area
            for (x1, y1), (x2, y2) in pairwise(ring)
            if (y1 > y) != (y2 > y)
        )
        for west, east in zip(across[::2], across[1::2], strict=False):
            best = max(best, (east - west, ((west + east) / 2, y)))
    return best[1]


def _dimension(one: Shape) -> int:
    return 2 if one.areas else 1 if one.lines else 0


def matches(matrix: str, pattern: str) -> bool:
    """Whether a matrix meets a pattern such as `T*F**F***`."""
    return all(
        wanted in ("*", cell) or (wanted == "T" and cell != "F")
        for cell, wanted in zip(matrix, pattern, strict=True)
    )


def relate(one: Shape, two: Shape, pattern: str) -> bool:
    """Whether two geometries lie to each other as a pattern says.

    Raises:
        RequestError: it is no pattern.
    """
    if not _PATTERN.fullmatch(pattern):
        msg = f"A pattern has nine letters out of T, F, 0, 1, 2 and *, unlike {shown(pattern)}"
        raise RequestError(msg)
    return matches(relation(one, two), pattern)


def touches(one: Shape, two: Shape) -> bool:
    """Whether they have positions in common, and none inside of both."""
    matrix = relation(one, two)
    return any(matches(matrix, pattern) for pattern in ("FT*******", "F**T*****", "F***T****"))


def crosses(one: Shape, two: Shape) -> bool:
    """Whether they go through each other: a line through an area, two lines at a position."""
    first, second = _dimension(one), _dimension(two)
    if first == second:
        return first == 1 and matches(relation(one, two), "0********")
    return matches(relation(one, two), "T*T******" if first < second else "T*****T**")


def overlaps(one: Shape, two: Shape) -> bool:
    """Whether they share a part, of the same kind as they are, and each has another."""
    if _dimension(one) != _dimension(two):
        return False
    return matches(relation(one, two), "1*T***T**" if one.lines else "T*T***T**")
