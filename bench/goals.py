"""What was to be reached, and what was: each goal as a ratio with its spread."""

from collections.abc import Iterator
from typing import Any

from bench import against_node, doors, operations
from bench.goal import Goal
from bench.ratios import Cells, Series, Spread, series, spread
from bench.scale import OPERATIONS as OF_SCALE

OBJECTS = ("get", "create", "patch", "delete")
LISTS = ("list", "filter")
# One every two seconds (LIVE_POLL_SECONDS), and in the twenty that are measured one more, and the two that count them.
STREAM_QUERIES = 0.65


def goals(results: dict[str, Any], peer: str = "sqlmodel") -> list[Goal]:
    """Return all goals with what the results say of them."""
    return [*of_operations(results, peer), *of_the_rest(results, peer)]


def of_operations(results: dict[str, Any], peer: str = "sqlmodel") -> list[Goal]:
    """Return the goals of single operations."""
    if "compare" not in results:
        return []
    cells = results["compare"]["cells"]
    connections = sorted({int(cell["connections"]) for cell in cells})
    return [*_against_peer(cells, connections, peer), *_against_floor(cells, connections)]


def of_the_rest(results: dict[str, Any], peer: str = "sqlmodel") -> list[Goal]:
    """Return the other goals: beside Node, batches, memory, members, large accounts, a login storm, migrations."""
    found: list[Goal] = []
    if "compare" in results:
        cells = results["compare"]["cells"]
        found += against_node.goals(cells)
        found += _batch(cells, sorted({int(cell["connections"]) for cell in cells}), peer)
        found += _memory(results["compare"]["memory"], peer)
        found += _memory(results["compare"]["memory_at_end"], peer, ", after batches as well")
    if "members" in results:
        found += _members(results["members"]["cells"])
    if "owner" in results:
        found += _owner(results["owner"])
    if "feed" in results:
        found += _feed(results["feed"])
    if "doors" in results:
        found += _doors(results["doors"]["cells"])
    if "streams" in results:
        found += _streams(results["streams"])
    if "webhooks" in results:
        found += _webhooks(results["webhooks"])
    if "scale" in results:
        found += _scale(results["scale"]["cells"])
    if "login" in results:
        found += _login(results["login"]["storms"])
    if "admin" in results:
        found += _admin(results["admin"]["pages"])
    if "migrate" in results:
        found += _migrate(results["migrate"])
    return found


def _against_peer(cells: Cells, connections: list[int], peer: str) -> Iterator[Goal]:
    for operation in (*OBJECTS, *LISTS):
        bound = 5 if operation in OBJECTS else 4
        for count in connections:
            ours, theirs = _both(cells, "ours", peer, operation, count, "requests_per_second")
            yield Goal(f"{operation}, {count} conn.: requests/s to the peer's", bound, True, ours.over(theirs))
            ours, theirs = _both(cells, "ours", peer, operation, count, "server_cpu_us")
            yield Goal(f"{operation}, {count} conn.: peer's CPU to ours", bound, True, theirs.over(ours))
            if count > 1:
                ours, theirs = _both(cells, "ours", peer, operation, count, "p99_ms")
                yield Goal(f"{operation}, {count} conn.: p99 to the peer's", 1 / 3, False, ours.over(theirs))


def _against_floor(cells: Cells, connections: list[int]) -> Iterator[Goal]:
    for operation in OBJECTS:
        for count in connections:
            ours, floor = _both(cells, "ours", "floor", operation, count, "server_cpu_us")
            yield Goal(f"{operation}, {count} conn.: CPU to the floor's", 2, False, ours.over(floor))


def _batch(cells: Cells, connections: list[int], peer: str) -> Iterator[Goal]:
    for count in connections:
        ours = series(cells, "ours", "batch", count, "items_per_second")
        theirs = series(cells, peer, "create", count, "items_per_second")
        yield Goal(f"batch of 100, {count} conn.: tasks/s to the peer's one by one", 15, True, ours.over(theirs))


def _memory(memory: dict[str, dict[str, int]], peer: str, when: str = "") -> Iterator[Goal]:
    if "ours" in memory and peer in memory:
        for kind in ("rss", "pss"):
            ratio = memory["ours"][kind] / memory[peer][kind]
            yield Goal(f"memory per worker ({kind.upper()}) to the peer's{when}", 1, False, Spread(ratio, ratio, ratio))


def _scale(cells: Cells) -> Iterator[Goal]:
    sizes = sorted({int(cell["tasks"]) for cell in cells})
    small, large = ([cell for cell in cells if cell["tasks"] == tasks] for tasks in (sizes[0], sizes[-1]))
    for operation in OF_SCALE:
        for name, title in (("p50_ms", "median latency"), ("database_cpu_us", "database CPU")):
            over, under = (series(part, part[0]["peer"], operation, 1, name) for part in (large, small))
            goal = f"{operation}: {title} with {sizes[-1]:,} tasks to {sizes[0]:,}"
            yield Goal(goal, 1.2, False, over.over(under))


def _members(cells: Cells) -> Iterator[Goal]:
    for operation in operations.FULL:
        for name, title in (("server_cpu_us", "CPU"), ("database_cpu_us", "database CPU")):
            full, plain = _both(cells, "full", "ours", operation, 32, name)
            goal = f"{operation}, 32 conn.: {title} with five labels and two reminders to none"
            yield Goal(goal, 1.4, False, full.over(plain))


def _owner(found: dict[str, Any]) -> Iterator[Goal]:
    cells = found["cells"]
    for kind in operations.MANY.values():
        is_sort = kind.name != "statistics"
        rounds = series(cells, "owner", kind.name, 1, "database_cpu_us").rounds.values()
        goal = f"{f'sort={kind.name}' if is_sort else kind.title} of {found['tasks']:,} tasks: database CPU, ms"
        yield Goal(goal, 30 if is_sort else 10, False, spread(us / 1000 for us in rounds))


def _feed(found: dict[str, Any]) -> Iterator[Goal]:
    yield Goal(f"sync of {found['tasks']:,} tasks from nothing, s", 1.5, False, spread(found["sync_seconds"]))
    for one, other, bound, words in (
        ("changes", "rows", 2.5, "a page of changes to a list of the same rows"),
        ("poll", "get", 1, "a poll that finds nothing to one task"),
    ):
        for name, title in (("server_cpu_us", "CPU"), ("database_cpu_us", "database CPU")):
            over, under = (series(found["cells"], "owner", kind, 1, name) for kind in (one, other))
            yield Goal(f"{words}: {title}", bound, False, over.over(under))


def _doors(cells: Cells) -> Iterator[Goal]:
    for door in doors.DOORS:
        over, under = (series(cells, doors.PEER.name, name, 1, "server_cpu_us") for name in (door.name, door.ours))
        yield Goal(f"{door.title}: CPU to our own operation", 1.3, False, over.over(under))


def _streams(found: dict[str, Any]) -> Iterator[Goal]:
    for name, bound, words in (
        (("told", "p99_ms"), 50, "write to event at 1,000 open streams, 200 writes a second: p99, ms"),
        (("idle", "kib_each"), 20, "10,000 streams that are told nothing: KiB each"),
        (("idle", "server_cpu_share"), 0.02, "10,000 streams that are told nothing: share of one processor"),
        (("idle", "transactions_per_second"), STREAM_QUERIES, "10,000 streams that are told nothing: queries a second"),
    ):
        value = found[name[0]][name[1]]
        yield Goal(words, bound, False, Spread(value, value, value))


def _webhooks(found: dict[str, Any]) -> Iterator[Goal]:
    for hooks in sorted({int(rate["hooks"]) for rate in found["rates"]}):
        rates = spread(rate["per_second"] for rate in found["rates"] if rate["hooks"] == hooks)
        yield Goal(f"webhooks, {hooks}: deliveries/s of one process", 300, True, rates)
    delays = found["delays"]
    longer = (delays["beside"]["max_ms"] - delays["alone"]["max_ms"]) / 1000
    name = f"webhooks beside {delays['hanging']} that hang: the longest delay beyond that without them, s"
    yield Goal(name, 1, False, Spread(longer, longer, longer))


def _migrate(found: dict[str, Any]) -> Iterator[Goal]:
    for name, title in (("wait_ms", "longest wait of a client"), ("lock_ms", "longest lock on a table")):
        goal = f"migrate, {found['tasks']:,} tasks: {title}, ms"
        yield Goal(goal, 1000, False, Spread(found[name], found[name], found[name]))


def _login(storms: list[dict[str, Any]]) -> Iterator[Goal]:
    own = [storm for storm in storms if storm["peer"] == "ours" and not storm["errors"]]
    growth = spread(storm["beside_p99_ms"] / storm["alone_p99_ms"] for storm in own)
    yield Goal("login storm: p99 of the others beside it to alone", 2, False, growth)


def _admin(pages: list[dict[str, Any]]) -> Iterator[Goal]:
    slowest = max((found for page in pages if (found := spread(page["ms"]))), key=lambda found: found.median)
    yield Goal("admin: the slowest of all pages, ms", 300, False, slowest)


def _both(cells: Cells, one: str, other: str, operation: str, connections: int, name: str) -> tuple[Series, Series]:
    return (
        series(cells, one, operation, connections, name),
        series(cells, other, operation, connections, name),
    )
