"""What people may write: titles, names, labels, descriptions. The database refuses the same, whoever writes."""

from django.core.exceptions import ValidationError

from todoproject import text

TITLE_MAX_LENGTH = 255
DESCRIPTION_MAX_LENGTH = 10_000
NAME_MAX_LENGTH = 100
LABEL_MAX_LENGTH = 50


def validate_title(title: str) -> None:
    """Raise ValidationError unless a title is one line with something to see in it."""
    if not text.is_one_line(title):
        raise ValidationError("A title is one line, without control characters.", code="one_line")
    if not text.is_visible(title):
        raise ValidationError("The title must not be blank.", code="blank")


def validate_name(name: str) -> None:
    """Raise ValidationError unless a list's name is one line with something to see in it."""
    if not text.is_one_line(name):
        raise ValidationError("A name is one line, without control characters.", code="one_line")
    if not text.is_visible(name):
        raise ValidationError("The name must not be blank.", code="blank")


def validate_label(label: str) -> None:
    """Raise ValidationError unless a label is one line with something to see in it, and can stand in a path."""
    if not text.is_one_line(label):
        raise ValidationError("A label is one line, without control characters.", code="one_line")
    if not text.is_visible(label):
        raise ValidationError("A label must not be blank.", code="blank")
    validate_segment(label)


def validate_segment(name: str) -> None:
    """Raise ValidationError where a name would be no name in a path (RFC 3986, section 5.2.4)."""
    if name in (".", ".."):
        raise ValidationError("In a path, . and .. are no names.", code="dots")


def validate_description(description: str) -> None:
    """Raise ValidationError where a description has control characters other than tabs and line breaks."""
    if not text.is_plain(description):
        raise ValidationError("A description has no control characters but tabs and line breaks.", code="plain")
