r"""todo.txt: a task a line. (The format's rules: github.com/todotxt/todo.txt.)

    x 2026-11-22 2026-11-20 Call the bank +Home @phone due:2026-11-21 pri:B

`+project` is the list, further ones and `@context` are labels; `due:`, `t:` (starts on), `rec:` and `pri:` mean what
other programs take them for. What these cannot say travels in keys of ours: `at:` the time of day that something is due
at, `rrule:` a rule, `occurs:` which occurrence a postponed one is, `remind:` reminders, `desc:` the text, `uuid:`,
`parent:` and `external:` (an external id). In names of lists, in labels and in values of ours white space and % are
percent-encoded. A word of the title that would mean something has a \ before it.
"""

from tasks.formats.todotxt.reading import parse, parse_line
from tasks.formats.todotxt.writing import write

__all__ = ["parse", "parse_line", "write"]
