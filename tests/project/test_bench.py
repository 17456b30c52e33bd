"""The bench's arithmetic, on small real input: what a number in a report means must not depend on trust."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import (
    building,
    check,
    database,
    dataset,
    goals,
    limit,
    load,
    migrate,
    operations,
    options,
    peers,
    profile,
    ratios,
    receiver,
    report,
    tables,
)
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.goal import Goal
from bench.limit import Sent
from bench.load import Load
from bench.operations import Target, Targets
from bench.peers import Credentials
from bench.processes import cpu_seconds, memory

BURN = "import time; end = time.process_time() + {}\nwhile time.process_time() < end: pass"
TARGETS = Targets(
    users=[Credentials("user-id", "token", "key")],
    tasks=[Target(f"task-{number}", Credentials("user-id", "token", "key")) for number in range(300)],
    spare=[Target("spare", Credentials("user-id", "token", "key"))],
    first=[Target("first", Credentials("user-id", "token", "key"))],
)


def cell(peer: str = "ours", **figures: Any) -> dict[str, Any]:
    known = {"operation": "get", "connections": 32, "round": 0, "answered": 100, "errors": 0, "items": 1}
    measured = {"requests_per_second": 100.0, "server_cpu_us": 100.0, "p99_ms": 10.0, "database_cpu_us": 50.0}
    generator = {"generator_busy": 0.1, "generator_cpu_us": 10.0, "seconds": 2.0}
    return {"peer": peer, **known, **measured, **generator, **figures}


def run(**parts: Any) -> dict[str, Any]:
    memory_used = {
        "ours": {"rss": 2**26, "pss": 2**26, "uss": 2**26},
        "sqlmodel": {"rss": 2**27, "pss": 2**27, "uss": 0},
    }
    cells = [
        cell("ours", requests_per_second=500.0, server_cpu_us=100.0, p99_ms=10.0),
        cell("sqlmodel", requests_per_second=100.0, server_cpu_us=600.0, p99_ms=90.0),
        cell("floor", server_cpu_us=40.0),
    ]
    return {
        "started": "2026-11-22T08:00:00+00:00",
        "machine": {"processor": "a processor", "processors": 2},
        "versions": dict.fromkeys(("commit", "python", "fastapi", "sqlmodel", "asyncpg", "uvicorn"), "1"),
        "options": {"users": "1000", "tasks": "20000", "workers": "1", "rounds": "1", "seconds": "2"},
        "postgres": {"server_version": "18"},
        "compare": {"cells": cells, "limits": [], "memory": memory_used, "memory_at_end": memory_used},
        **parts,
    }


def found_goals(results: dict[str, Any]) -> dict[str, Goal]:
    return {goal.name: goal for goal in goals.goals(results)}


# --- Processor time and memory --------------------------------------------------------------------


def test_cpu_of_a_tree_counts_children_that_live_and_children_that_have_ended() -> None:
    ended, living = BURN.format(0.35), BURN.format(0.25) + "\ntime.sleep(60)"
    script = (
        "import subprocess, sys, time\n"
        f"subprocess.run([sys.executable, '-c', {ended!r}])\n"
        f"child = subprocess.Popen([sys.executable, '-c', {living!r}])\n"
        "print('ready', flush=True); sys.stdin.read(); child.kill()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 60
        while cpu_seconds(process.pid) < 0.5 and time.monotonic() < deadline:
            time.sleep(0.05)
        used, resident = cpu_seconds(process.pid), memory(process.pid)
        process.communicate()

    assert 0.5 <= used < 1.5, "0.35 s and 0.25 s, less a tick or two, and three starts of Python"
    assert resident.rss > resident.uss > 2 * 2**20, "two Pythons, which share pages"


# --- The load -------------------------------------------------------------------------------------


def test_figures_of_wrk_are_read() -> None:
    found = load.parse("noise\nresult 2000000 1000 1010 1 2 3 40 0 1500 2500 9000 9900 10000\n", 0.02)

    assert found == Load(2.0, 960, 1010, 46, 1.5, 2.5, 9.0, 9.9, 10.0, 0.02)
    assert found.requests_per_second == 480, "a refusal is no answer"


def test_a_wrk_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1:1 Connection refused\n", 0.0)


def test_without_wrk_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BenchError, match="apt install wrk"):
        load.require_wrk()


def test_every_operation_makes_whole_requests_and_the_same_for_every_peer() -> None:
    of_ours = [*operations.FULL.values(), *operations.LISTS.values(), *operations.MANY.values()]
    for operation in [*operations.ALL.values(), *of_ours]:
        ours, floor = (list(operation.requests(peer, TARGETS)) for peer in (peers.OURS, peers.FLOOR))
        assert len(ours) == len(floor) > 0
        assert [request.replace(b"token", b"user-id") for request in ours] == floor
        for request in ours:
            head, _, body = request.partition(b"\r\n\r\n")
            assert b"\0" not in request
            assert (f"Content-Length: {len(body)}".encode() in head) == bool(body), operation.name


def test_the_mix_is_60_20_10_10() -> None:
    many = Targets(TARGETS.users, TARGETS.tasks * 20, TARGETS.spare)
    lines = [request.partition(b" HTTP")[0] for request in operations.ALL["mix"].requests(peers.OURS, many)]
    kinds = [line.partition(b" ")[0] + (b" list" if b"?" in line else b"") for line in lines]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}

    assert shares == pytest.approx({b"GET": 0.6, b"GET list": 0.2, b"POST": 0.1, b"PATCH": 0.1}, abs=0.02)


def test_the_data_is_as_large_as_asked_and_spread_over_all_owners() -> None:
    sizes = Sizes(users=10, tasks=1000)
    owners = [line.split("\t")[1] for line in dataset.users(sizes)]
    columns = dataset.TASK_COLUMNS.split(", ")
    rows = [dict(zip(columns, line.strip("\n").split("\t"), strict=True)) for line in dataset.tasks(sizes)]

    for owner in owners:
        assert [int(row["place"]) for row in rows if row["user_id"] == owner] == list(range(1, 101))
    assert rows == sorted(rows, key=lambda row: row["created_at"])
    assert len({row["id"] for row in rows}) == 1000
    assert 0.02 < sum(row["deleted_at"] != r"\N" for row in rows) / 1000 < 0.08, "some are deleted"
    assert all((row["is_completed"] == "True") == (row["completed_at"] != r"\N") for row in rows)
    assert not any(row["due_on"] != r"\N" and row["due_at"] != r"\N" for row in rows), "one due date at most"


def test_write_is_taken_from_the_log_with_its_begin_and_commit() -> None:
    """With the BEGIN of the next one at its end, pgbench would stop."""
    write = [
        "LOG:  execute <unnamed>: BEGIN ISOLATION LEVEL READ COMMITTED",
        "LOG:  execute a: SELECT todo.open_request($1, '{}', true)",
        "DETAIL:  Parameters: $1 = 'it''s', $2 = NULL",
        "LOG:  execute b: INSERT INTO tasks DEFAULT VALUES",
        "LOG:  execute <unnamed>: COMMIT",
    ]
    read = ["LOG:  execute c: SELECT todo.open_request('x', '{}', false)", "LOG:  execute d: SELECT 1"]
    found = limit.messages([*write, *read, *write])

    assert [len(message) for message in found] == [4, 2, 4]
    assert found[0] == found[2]
    assert found[0][:2] == [
        Sent("BEGIN ISOLATION LEVEL READ COMMITTED"),
        Sent("SELECT todo.open_request($1, '{}', true)", ["it's", None]),
    ]


# --- Ratios ---------------------------------------------------------------------------------------


def test_a_ratio_is_one_of_neighbours_in_time() -> None:
    """The machine slows down by half in each round: the ratio does not."""
    cells = [
        cell(peer, round=turn, requests_per_second=rate / 2**turn)
        for turn in range(5)
        for peer, rate in (("ours", 1000), ("sqlmodel", 200))
    ]
    ours, theirs = (ratios.series(cells, peer, "get", 32, "requests_per_second") for peer in ("ours", "sqlmodel"))

    assert ours.over(theirs) == ratios.Spread(5, 5, 5)
    assert ours.spread() == ratios.Spread(250, 62.5, 1000)


def test_a_cell_with_errors_counts_in_no_figure() -> None:
    cells = [
        cell(requests_per_second=100),
        cell(round=1, requests_per_second=9000, errors=1),
        cell(round=2, answered=0),
    ]

    assert ratios.series(cells, "ours", "get", 32, "requests_per_second").spread() == ratios.Spread(100, 100, 100)


def test_what_was_not_measured_is_none_and_no_zero() -> None:
    assert ratios.series([], "ours", "get", 32, "p99_ms").spread() is None
    assert Goal("nothing", 5, True, None).is_met is None


def test_goals_look_at_the_right_side_of_their_bounds() -> None:
    found = found_goals(run())

    assert found["get, 32 conn.: requests/s to the peer's"].measured == ratios.Spread(5, 5, 5)
    assert found["get, 32 conn.: requests/s to the peer's"].is_met
    assert found["get, 32 conn.: peer's CPU to ours"].measured == ratios.Spread(6, 6, 6)
    assert found["get, 32 conn.: p99 to the peer's"].is_met, "10 ms to 90 ms"
    assert found["get, 32 conn.: CPU to the floor's"].is_met is False, "100 µs to 40 µs"
    assert found["memory per worker (RSS) to the peer's"].measured == ratios.Spread(0.5, 0.5, 0.5)


def test_database_is_judged_by_what_was_saved_since_the_goal_was_set() -> None:
    """Then it was 189 µs beside SQLModel's 80; on a machine twice as slow a third less is 252 beside 160."""
    cells = [
        cell("ours", server_cpu_us=300.0, database_cpu_us=252.0),
        cell("fastify", server_cpu_us=600.0, database_cpu_us=100.0),
        cell("sqlmodel", server_cpu_us=5360.0, database_cpu_us=160.0),
    ]
    found = found_goals(run(compare={"cells": cells, "limits": [], "memory": {}, "memory_at_end": {}}))

    database = found["get, 32 conn.: database CPU to before, by SQLModel's"]
    assert database.measured is not None
    assert (database.measured.median, database.is_met) == (pytest.approx(252 / 378), False)
    process = found["get, 32 conn.: process CPU to Fastify's"]
    both = found["get, 32 conn.: process and database CPU to SQLModel's"]
    assert (process.measured, process.is_met) == (ratios.Spread(0.5, 0.5, 0.5), True)
    assert (both.measured, both.is_met) == (ratios.Spread(0.1, 0.1, 0.1), True), "552 µs to 5,520"


def test_mix_is_the_first_goal_beside_node() -> None:
    cells = [cell(peer, operation="mix", requests_per_second=rate) for peer, rate in (("ours", 80), ("fastify", 100))]
    results = run(compare={"cells": cells, "limits": [], "memory": {}, "memory_at_end": {}})
    first = next(goal for goal in goals.goals(results) if goal.measured)

    assert (first.name, first.is_met) == ("mix, 32 conn.: requests/s to Fastify's", False)


def test_a_batch_is_compared_by_the_tasks_it_makes() -> None:
    cells = [
        cell("ours", operation="batch", items=100, requests_per_second=30),
        cell("sqlmodel", operation="create", requests_per_second=150),
    ]
    results = run(compare={"cells": cells, "limits": [], "memory": {}, "memory_at_end": {}})

    goal = found_goals(results)["batch of 100, 32 conn.: tasks/s to the peer's one by one"]
    assert goal.measured == ratios.Spread(20, 20, 20)


def test_a_login_storm_is_judged_by_how_much_others_wait() -> None:
    storms = [
        {"peer": "ours", "errors": 0, "alone_p99_ms": 10.0, "beside_p99_ms": after} for after in (12.0, 15.0, 30.0)
    ]
    goal = found_goals(run(login={"storms": storms}))["login storm: p99 of the others beside it to alone"]

    assert (goal.measured, goal.is_met) == (ratios.Spread(1.5, 1.2, 3.0), True)


def test_members_are_judged_against_tasks_without_them() -> None:
    cells = [
        cell("ours", operation="patch", database_cpu_us=500.0, server_cpu_us=100.0),
        cell("full", operation="patch", database_cpu_us=750.0, server_cpu_us=120.0),
    ]
    found = found_goals(run(members={"cells": cells}))

    goal = found["patch, 32 conn.: database CPU with five labels and two reminders to none"]
    assert (goal.measured, goal.is_met) == (ratios.Spread(1.5, 1.5, 1.5), False)
    assert found["patch, 32 conn.: CPU with five labels and two reminders to none"].is_met


def test_owner_with_many_tasks_is_judged_by_milliseconds_of_the_database() -> None:
    cells = [
        cell("owner", operation=name, connections=1, database_cpu_us=us)
        for name, us in (("position,-priority,due", 29_000.0), ("statistics", 12_000.0))
    ]
    found = found_goals(run(owner={"tasks": 10_000, "cells": cells}))

    assert found["sort=position,-priority,due of 10,000 tasks: database CPU, ms"].is_met
    assert found["statistics of 10,000 tasks: database CPU, ms"].is_met is False


def test_a_door_is_judged_against_our_own_operation_in_the_same_round() -> None:
    figures = (("list", 400.0, 0), ("todoist page", 480.0, 0), ("list", 800.0, 1), ("todoist page", 1200.0, 1))
    cells = [cell("doors", operation=name, connections=1, server_cpu_us=us, round=turn) for name, us, turn in figures]

    goal = found_goals(run(doors={"cells": cells}))["Todoist: a page of 50: CPU to our own operation"]

    assert goal.measured is not None
    assert (goal.measured.low, goal.measured.high, goal.is_met) == (1.2, 1.5, False)


def test_resting_streams_are_judged_by_one_query_an_interval() -> None:
    for each_second, is_met in ((0.5, True), (0.6, True), (0.75, False), (5_000.0, False)):
        idle = {"kib_each": 15.0, "server_cpu_share": 0.01, "transactions_per_second": each_second}
        found = found_goals({"streams": {"told": {"p99_ms": 30.0}, "idle": idle}})
        assert found["10,000 streams that are told nothing: queries a second"].is_met is is_met


def test_webhooks_are_judged_by_each_number_of_hooks_and_by_what_hanging_ones_add() -> None:
    rates = [{"hooks": hooks, "per_second": rate} for hooks, rate in ((2, 250.0), (2, 290.0), (8, 900.0))]
    delays = {"hanging": 4, "alone": {"max_ms": 900.0}, "beside": {"max_ms": 2000.0}}
    found = [goal for goal in goals.goals({"webhooks": {"rates": rates, "delays": delays}}) if goal.measured]

    assert [(goal.measured.median, goal.is_met) for goal in found if goal.measured] == [
        (270.0, False),
        (900.0, True),
        (pytest.approx(1.1), False),
    ]


async def test_receiver_keeps_when_each_event_came_however_its_requests_are_cut() -> None:
    def post(title: str) -> bytes:
        body = f'{{"type":"task.created","data":{{"task":{{"title":"{title}"}}}}}}'.encode()
        return b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    sent = post("first") + post("second") + post("first")
    async with receiver.listening() as ears:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ears.url.rsplit(":")[-1].strip("/")))
        for place in range(0, len(sent), 7):
            writer.write(sent[place : place + 7])
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            answers = [await reader.readuntil(b"\r\n\r\n") for _ in range(3)]
        writer.close()

    assert {answer.split()[1] for answer in answers} == {b"200"}
    assert list(ears.arrivals) == ["first", "second"]


def test_lock_lasts_from_the_last_look_without_it_and_counts_for_its_migration() -> None:
    step = migrate.Step("tasks.0030_series", began=10.0, seconds=2.0)
    looks = [(9.9, "before"), (10.1, ""), (10.2, "x on tasks"), (10.5, "x on tasks"), (10.6, ""), (12.5, "after")]

    migrate.judge(step, looks, waits=[(9.0, 0.5), (9.8, 0.3), (11.0, 0.05), (12.1, 9.0)])

    assert (step.lock, step.lock_ms, step.wait_ms) == ("x on tasks", pytest.approx(400), pytest.approx(300))


def test_part_of_the_databases_time_is_the_difference_within_its_round() -> None:
    """The second round is twice as slow as the first: what is found is not."""
    times = {"whole": [100.0, 300.0], "waiting for the disk": [60.0, 260.0], "policy": [50.0, 250.0]}
    found = dict(database.rows({"microseconds": {"patch": times}}))

    assert found["all of it"]["patch"].median == 200
    assert found["waiting for the disk"]["patch"] == (40, 40, 40)
    assert found["policy"]["patch"] == (10, 10, 10), "beside what does not wait for the disk either"
    assert found["JSON"] == {}, "not measured"


def test_owners_and_tasks_are_put_into_the_messages_of_another() -> None:
    message = [Sent("SELECT open_request($1, '{}', true)", ["of another", "id"]), Sent("SELECT $1", ["of another"])]
    found = list(database.about(message, "owner", "digest", TARGETS.tasks[0]))

    assert [sent.parameters for sent in found] == [["digest", "id"], ["task-0"]]


# --- Report ---------------------------------------------------------------------------------------


def test_the_block_in_the_readme_is_made_of_the_results(tmp_path: Path) -> None:
    block = report.markdown(run(), [tmp_path / "requests.svg"])

    assert "| get | 5 (5–5) | 6 (6–6) | 9 (9–9) | 2.5 (2.5–2.5) |" in block
    assert "8 of 10 goals are met" in block
    assert "| get | ours | 100 (100–100) | 50 (50–50) | 150 (150–150) | 500 (500–500) |" in block, "PostgreSQL's apart"
    assert "| get, 32 conn.: CPU to the floor's | ≤ 2 | 2.5 (2.5–2.5) | **missed** |" in block


def test_the_block_goes_between_its_marks_and_nothing_else_changes() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"

    assert report.replaced(text, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    with pytest.raises(BenchError, match="lacks the marks"):
        report.replaced("nothing", "new")


def test_the_page_has_the_marks() -> None:
    assert report.replaced(report.PAGE.read_text(), "new")


@pytest.mark.parametrize("content", ["", "[]", '{"compare": {}}', "\x00"])
def test_a_file_that_holds_no_results_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(BenchError, match=r"results\.json holds no results"):
        report.read(path)


def test_the_generator_is_said_to_be_no_bottleneck_by_figures() -> None:
    cells = [
        cell(generator_busy=0.25),
        cell("hello", requests_per_second=40_000, generator_busy=0.9, generator_cpu_us=7),
    ]

    assert tables.generator(cells) == (
        "load generator: at most 25% of one processor; 7 µs for an empty answer, of which there are 40,000/s,"
        " and at most 100/s of the others"
    )


# --- Peers that are no Python ---------------------------------------------------------------------


def test_who_cannot_be_built_here_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    told: list[str] = []

    assert building.available([peers.FASTIFY, peers.OURS, peers.GO], told.append) == [peers.OURS]
    assert told[0].startswith("Fastify is left out: node and npm not found (Node 20 or newer: apt install nodejs npm")
    assert told[1].startswith("Go + pgx is left out: go not found (apt install golang-go golang-github-jackc-pgx")
    with pytest.raises(BenchError, match="none of these peers"):
        building.available([peers.GO], told.append)


def test_a_build_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    builds = [peers.Build(folder=tmp_path, programs=[name], command=[name], hint="hint") for name in ("true", "false")]
    good, bad = (replace(peers.GO, build=build) for build in builds)
    told: list[str] = []

    assert building.available([peers.OURS, good, bad], told.append) == [peers.OURS, good]
    assert [line.partition(":")[2] for line in told] == [" false failed (hint): "]


def test_what_is_built_is_built_again_only_when_its_source_is_newer(tmp_path: Path) -> None:
    build = peers.Build(folder=tmp_path, programs=[], command=["false"], hint="", made="made", source="source")
    for name, seconds in (("source", 100), ("made", 200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))
    peer = replace(peers.GO, build=build)

    assert building.available([peer], print) == [peer]
    os.utime(tmp_path / "source", (300, 300))
    with pytest.raises(BenchError):
        building.available([peer], print)


def test_drivers_that_read_no_url_get_its_parts() -> None:
    found = peers.PLAIN_FAMILY.environment("postgresql://app@/fastify?host=%2Frun%2Fa%20b")

    assert (found["PGHOST"], found["PGUSER"], found["PGDATABASE"]) == ("/run/a b", "app", "fastify")


# --- Profile, check, command line -----------------------------------------------------------------


def test_samples_are_summed_by_whose_code_runs() -> None:
    lines = [
        "main (/usr/lib/python3.11/runpy.py:1);handle (/x/site-packages/django/core/handler.py:5) 30",
        f"handle (/x/site-packages/django/core/handler.py:5);run ({peers.ROOT}/tasks/api/tasks.py:7) 10",
    ]
    found = profile.summarize(lines)

    assert found["samples"] == 40
    assert found["packages"] == [["django", 0.75], ["tasks", 0.25]]
    assert found["functions"][1] == ["run (tasks/api/tasks.py:7)", 0.25]


def test_answers_are_the_same_however_an_instant_is_written() -> None:
    task = dict.fromkeys(check.MEMBERS)
    ours = {**task, "created_at": "2026-11-22T08:00:00.120000Z", "version": 1}
    theirs = {**task, "created_at": "2026-11-22T08:00:00.12+00:00", "owner_id": "somebody"}

    assert check.normal(ours) == check.normal(theirs)
    assert check.normal(ours) != check.normal({**theirs, "title": "another"})


def test_quick_leaves_alone_what_was_asked_for() -> None:
    chosen = options.parse(["--quick", "--rounds", "7", "--peers", "ours,floor"])

    assert (chosen.rounds, chosen.tasks, [peer.name for peer in chosen.peers]) == (7, 100_000, ["ours", "floor"])


def test_it_starts_without_settings_of_the_product() -> None:
    """They would be those of a developer's .env; its servers have their own."""
    command = [sys.executable, "-m", "bench", "--help"]
    result = subprocess.run(command, cwd=peers.ROOT, capture_output=True, text=True, check=False)

    assert (result.returncode, "migrate" in result.stdout) == (0, True), result.stderr


@pytest.mark.parametrize(
    "arguments", [["--peers", "rails"], ["--rounds", "0"], ["--connections", "1,x"], ["--parts", ""]]
)
def test_a_mistake_on_the_command_line_ends_with_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        options.parse(arguments)

    assert ending.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
