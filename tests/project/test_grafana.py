"""The Grafana dashboard and the alerts ask for what is really exported, in queries that Prometheus can read."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from tests.support.processes.servers import ROOT
from todoproject.monitoring import exposition
from todoproject.observability import metrics

DASHBOARD = json.loads((ROOT / "todoproject/monitoring/grafana.json").read_text("utf-8"))
ALERTS = (ROOT / "todoproject/monitoring/alerts.yml").read_text("utf-8")
PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel.get("targets", [])]
# What Prometheus itself adds to every series.
SCRAPED = {"job", "instance"}
# What a crontab writes for node_exporter: a server does not know of backups.
BESIDE = {"todo_backup_timestamp_seconds": set[str]()}


def exported() -> dict[str, set[str]]:
    """Return every name that is exported, with its labels."""
    store = metrics.Store()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "store", store)
        metrics.count_request("GET", "/v1/tasks", 200, 0.001, 0.001)
        metrics.count_statement("api", 0.001)
    families = exposition.Exposition(store.total).collect()
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def queries() -> Iterator[str]:
    yield from (target["expr"] for _, target in TARGETS)
    yield from (note["expr"] for note in DASHBOARD["annotations"]["list"] if "expr" in note)
    yield from re.findall(r"^ +expr: (.+)$", ALERTS, re.MULTILINE)


def read(query: str) -> Any:
    return promql_parser.parse(query.replace("$__rate_interval", "1m"))


def parts(node: Any) -> Iterator[Any]:
    """Yield a query and all that it is made of."""
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        if getattr(node, name, None) is not None:
            yield from parts(getattr(node, name))
    for argument in getattr(node, "args", []):
        yield from parts(argument)


def selectors(query: str) -> list[Any]:
    return [part for part in parts(read(query)) if isinstance(part, promql_parser.VectorSelector)]


def test_queries_are_found() -> None:
    assert len(list(queries())) > 35
    assert [selector.name for selector in selectors("sum(rate(a[1m])) / (b offset 2m or -c)")] == ["a", "b", "c"]


@pytest.mark.parametrize("query", [*queries()])
def test_query_asks_for_what_is_exported(query: str) -> None:
    names = exported() | BESIDE
    found = selectors(query)

    assert found
    for selector in found:
        assert selector.name in names
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= names[selector.name] | SCRAPED
    for part in parts(read(query)):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            available = set.intersection(*(names[selector.name] for selector in selectors(part.expr.prettify())))
            assert set(part.modifier.labels) <= available | SCRAPED


@pytest.mark.parametrize("query", [*queries()])
def test_counters_are_read_as_rates_and_gauges_are_not(query: str) -> None:
    for part in parts(read(query)):
        ranged = isinstance(part, promql_parser.Call) and part.func.name in ("rate", "increase")
        if ranged:
            assert part.args[0].vector_selector.name.endswith(("_total", "_bucket", "_count", "_sum"))
    bare = re.sub(r"(?:rate|increase)\([^()]*\)", "", query)
    assert not re.search(r"todo_\w+_(?:total|bucket|count|sum)\b", bare)


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_legend_names_labels_that_its_query_keeps(title: str, target: dict[str, Any]) -> None:
    kept = {
        label
        for part in parts(read(target["expr"]))
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None
        for label in part.modifier.labels
    }
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == kept - {"le"}, title


def test_every_name_is_shown_or_alerted_of() -> None:
    shown = {selector.name for query in queries() for selector in selectors(query)}
    # A histogram's count or sum may go unused where its buckets do not.
    unused = {name for name in exported() if name.removesuffix("_count").removesuffix("_sum") + "_bucket" not in shown}

    assert unused - shown == set()


# --- Grafana's schema -----------------------------------------------------------------------------


def test_panels_fill_the_grid_without_overlapping() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken, panel["title"]
        taken |= cells
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in PANELS)
    assert taken == set(itertools.product(range(24), range(height)))


def test_panels_are_as_grafana_11_reads_them() -> None:
    assert (DASHBOARD["schemaVersion"], DASHBOARD["uid"]) == (39, "todoproject")
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["type"] in {"row", "stat", "timeseries", "bargauge"}
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job"]


# --- The page -------------------------------------------------------------------------------------


def test_table_of_metrics_is_complete() -> None:
    rows = re.findall(r"^\| (`todo_[^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    told = {(name, labels) for cell, labels in rows for name in re.findall(r"`(todo_\w+)`", cell)}
    wanted = {
        (re.sub("_(bucket|count|sum)$", "", name), ", ".join(f"`{label}`" for label in sorted(labels - {"le"})) or "–")
        for name, labels in exported().items()
    }
    assert told == wanted
