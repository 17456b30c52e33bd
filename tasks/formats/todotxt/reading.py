"""From the lines of a todo.txt file to items."""

from typing import Any

from django.core.exceptions import ValidationError

from tasks.formats import encoding
from tasks.formats.items import MOST_ITEMS, FileRefused, Item, Notice, fitted
from tasks.formats.todotxt import values
from tasks.formats.todotxt.words import PRIORITY, SPACE, decoded, folded, unescaped
from tasks.models import LABEL_MAX_LENGTH, MOST_LABELS, NAME_MAX_LENGTH, validate_label, validate_name
from todoproject import text as characters


def parse(content: bytes) -> tuple[list[Item], list[Notice]]:
    """Return what the lines of a file say, and what could not be kept as it was. Raises FileRefused."""
    lines, notices = encoding.lines(content)
    items: list[Item] = []
    for number, line in enumerate(lines, 1):
        if not SPACE.sub(" ", line).strip():
            continue
        if len(items) == MOST_ITEMS:
            raise FileRefused("too-many", f"A file has at most {MOST_ITEMS:,} tasks.", number)
        item, told = parse_line(line, number)
        items.append(item)
        notices += told
    return items, notices


def parse_line(line: str, number: int = 1) -> tuple[Item, list[Notice]]:
    """Return what a line says, and what of it could not be kept as it was."""
    text = SPACE.sub(" ", line).strip()
    reader = _Reader(text.split(" "))
    if SPACE.search(line.replace("\t", " ")):
        reader.tell("title", "control-characters", "Control characters became spaces.")
    item = reader.item(text, number)
    return item, [Notice(number, item.title, *told) for told in reader.told]


class _Reader:
    """A line on its way to an item."""

    def __init__(self, words: list[str]) -> None:
        self.told: list[tuple[str, str, str]] = []
        self._members: dict[str, Any] = {}
        self._labels: list[str] = []
        self._title: list[str] = []
        rest = self._read_head(words)
        for position, word in enumerate(rest):
            if not self._read(word):
                self._title.append(unescaped(word, is_first=position == 0))
        self._refuse_without_due("recurrence", "rec:")
        self._refuse_without_due("due_time", "at:")
        self._refuse_occurrence()

    def tell(self, member: str, code: str, detail: str) -> None:
        self.told.append((member, code, detail))

    def item(self, text: str, number: int) -> Item:
        """Return the item; where the line is nothing but marks, all of it is the title."""
        title = " ".join(self._title).strip()
        if not characters.is_visible(title):
            title = text
            self.tell("title", "no-title", "The line has no text of its own, so all of it is the title.")
        title, description, done = fitted(title, self._members.pop("description", ""))
        if done:
            kept = "the whole is in the description" if done == "too-long" else "the description was cut, too"
            self.tell("title" if done == "too-long" else "description", done, f"Too long: it was cut, and {kept}.")
        return Item(title, description, labels=tuple(self._labels), line=number, **self._members)

    def _read_head(self, words: list[str]) -> list[str]:
        """Read what stands before the text, and return the words of that."""
        rest = words
        if words[0] == "x" and len(words) > 1:
            self._members["is_completed"] = True
            rest, names = words[1:], ["completed_on", "created_on"]
        else:
            names = ["created_on"]
            if len(words) > 1 and (priority := PRIORITY.fullmatch(words[0])):
                self._members["priority"] = values.priority(priority[1])
                rest = words[1:]
        for name in names:
            if not rest or (day := values.day_or_none(rest[0])) is None:
                break
            self._members[name] = day
            rest = rest[1:]
        return rest

    def _read(self, word: str) -> bool:
        """Read a word that means something; tell whether it does."""
        if word[:1] in ("+", "@") and len(word) > 1:
            return self._read_tag(word)
        key, _, value = word.partition(":")
        return bool(value) and key in values.MEMBERS and self._read_key(key, value)

    def _read_tag(self, word: str) -> bool:
        name = decoded(word[1:]).strip()
        is_list = word[0] == "+" and "list_name" not in self._members
        rule, most = (validate_name, NAME_MAX_LENGTH) if is_list else (validate_label, LABEL_MAX_LENGTH)
        member = "list_id" if is_list else "labels"
        try:
            rule(name)
        except ValidationError as error:
            return self._refuse(member, str(error.message))
        if len(name) > most:
            return self._refuse(member, f"A name has at most {most} characters.")
        if is_list:
            self._members["list_name"] = name
            return True
        return self._add_label(name)

    def _add_label(self, name: str) -> bool:
        if folded(name) in map(folded, self._labels):
            return True
        if len(self._labels) == MOST_LABELS:
            return self._refuse("labels", f"A task has at most {MOST_LABELS} labels.")
        self._labels.append(name)
        return True

    def _read_key(self, key: str, value: str) -> bool:
        member, read = values.MEMBERS[key]
        if key == "pri" and not (self._members.get("is_completed") or value == "urgent"):
            return False
        if member in self._members and key != "pri":
            return self._refuse(member, f"{key}: stands there a second time.")
        try:
            self._members[member] = read(value)
        except (ValueError, OverflowError, ValidationError):
            return self._refuse(member, f"The value of {key}: was not understood.")
        return True

    def _refuse(self, member: str, why: str) -> bool:
        self.tell(member, "left-in-title", f"{why} It is left in the title.")
        return False

    def _refuse_without_due(self, member: str, key: str) -> None:
        """Take back what means nothing without a day."""
        if member in self._members and "due_on" not in self._members:
            del self._members[member]
            self.tell(member, "no-due", f"{key} means nothing without due:, so it was left out.")

    def _refuse_occurrence(self) -> None:
        """Take back an occurrence of no series, or a day of what is due at an instant."""
        occurrence = self._members.get("occurrence")
        if occurrence is None:
            return
        if "recurrence" not in self._members or ("T" in occurrence) != ("due_time" in self._members):
            del self._members["occurrence"]
            self.tell("occurrence", "no-series", "occurs: does not fit what is due and recurs, so it was left out.")
