"""What text may hold, whoever writes it: by code points, the same in Python and in PostgreSQL.

The classes below stand in a regular expression of either: `[...]` around them is the reader's.
"""

import re

# Line breaks of every kind, and what moves a cursor or rings a bell: Unicode's Cc, Zl and Zp. NUL is refused anyway.
_BREAKS = r"\u0001-\u001f\u007f-\u009f\u2028\u2029"
# The same without tabs and line breaks (U+0085 is one), which belong into a text of several lines.
_CONTROLS = r"\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f"
# What no reader sees: white space (Unicode's White_Space), Default_Ignorable_Code_Point (DerivedCoreProperties.txt of
# Unicode 17), and the Braille pattern without dots. Not "all but letters and signs": tomorrow's emoji are neither yet.
_INVISIBLE = (
    r"\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)

# Each is a fault where it is found, but for VISIBLE, which is one where it is not.
BREAK, CONTROL, VISIBLE = f"[{_BREAKS}]", f"[{_CONTROLS}]", f"[^{_INVISIBLE}]"

_BREAK, _CONTROL, _VISIBLE = re.compile(BREAK), re.compile(CONTROL), re.compile(VISIBLE)


def is_one_line(text: str) -> bool:
    """Tell whether a text has neither line breaks nor control characters."""
    return _BREAK.search(text) is None


def is_plain(text: str) -> bool:
    """Tell whether a text has no control characters but tabs and line breaks."""
    return _CONTROL.search(text) is None


def is_visible(text: str) -> bool:
    """Tell whether there is anything in a text that a reader could see."""
    return _VISIBLE.search(text) is not None
