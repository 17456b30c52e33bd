"""Charts as SVG, drawn here: no script, no style attribute, nothing to load; their colours are in admin.css."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 460, 170, 40, 14, 22, 8


def bars(label: str, first: date, counts: Sequence[int]) -> SafeString:
    """Draw one bar a day; the last one is today's, and lighter, because the day is not over."""
    top = _round_up(max(counts, default=0))
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(counts), 1)
    room = _HEIGHT - _BOTTOM - _TOP
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" rx="2"{}><title>{}: {}</title></rect>',
        (
            (
                f"{_LEFT + number * step + step * 0.12:.1f}",
                f"{_HEIGHT - _BOTTOM - count / top * room:.1f}",
                f"{step * 0.76:.1f}",
                f"{count / top * room:.1f}",
                SafeString(' class="today"' if number == len(counts) - 1 else ""),
                _day(first + timedelta(days=number)),
                f"{count:,}",
            )
            for number, count in enumerate(counts)
        ),
    )
    return format_html(
        '<svg class="drawing" viewBox="0 0 {} {}" role="img" aria-label="{}">{}<g class="bars">{}</g>{}</svg>',
        _WIDTH,
        _HEIGHT,
        f"{label}: {sum(counts):,} in {len(counts)} days, at most {max(counts, default=0):,} on one",
        _grid(top, room),
        drawn,
        _dates(first, len(counts), step),
    )


def _grid(top: int, room: int) -> SafeString:
    lines = ((top * part // 2, f"{_HEIGHT - _BOTTOM - part / 2 * room:.1f}") for part in range(3 if top > 1 else 1))
    return format_html_join(
        "",
        '<line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end" dy=".32em">{}</text>',
        ((_LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 6, y, _short(value)) for value, y in lines),
    )


def _dates(first: date, days: int, step: float) -> SafeString:
    """Name every seventh day, counted back from today."""
    return format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (f"{_LEFT + (number + 0.5) * step:.1f}", _HEIGHT - 5, _day(first + timedelta(days=number)))
            for number in range((days - 1) % 7, days, 7)
        ),
    )


def _round_up(number: int) -> int:
    """Return the next of 2, 4, 10, 20, 40, 100 …: what halves into whole numbers."""
    power = 1
    while True:
        for digit in (2, 4, 10):
            if digit * power >= number:
                return digit * power
        power *= 10


def _short(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1_000:g}k" if number >= 10_000 else f"{number:,}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
