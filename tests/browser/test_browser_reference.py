"""The reference at /docs: each operation is tried three times in a row, by clicking alone."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.browser import Visit, register, visit
from tests.support.http.operations import document, operations
from tests.support.processes.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# In the page, so that a click costs no round trip. What the server answers is seen where Swagger UI asks it.
WALK = """async (wanted) => {
  const told = {};
  const until = async (what) => {
    for (let tries = 0; tries < 1000; tries += 1) {
      const found = what();
      if (found) return found;
      await new Promise((go) => setTimeout(go, 10));
    }
    throw new Error(`waited in vain: ${what}, after ${JSON.stringify(told)}`);
  };
  let statuses = [];
  const ask = window.fetch;
  window.fetch = async (...given) => {
    const response = await ask(...given);
    statuses.push(response.status);
    return response;
  };
  for (const [method, path, alone] of wanted) {
    statuses = [];
    ui.specActions.updateSpec(alone);
    const block = await until(() => [...document.querySelectorAll(`.opblock-${method}`)].find(
      (one) => one.querySelector("[data-path]").dataset.path === path));
    block.querySelector(".opblock-summary-control").click();
    (await until(() => block.querySelector(".try-out__btn"))).click();
    for (let times = 1; times <= 3; times += 1) {
      (await until(() => block.querySelector(".execute:not(:disabled)"))).click();
      await until(() => statuses.length === times);
    }
    told[`${method} ${path}`] = statuses;
  }
  window.fetch = ask;
  return told;
}"""
# By the token: a stream's ticket is for who cannot send one.
AUTHORIZE = """token => {
  for (const [name, scheme] of Object.entries(ui.specSelectors.securityDefinitions().toJS())) {
    if (scheme.type === "http") ui.preauthorizeApiKey(name, token);
  }
}"""

REFERENCE = re.compile(r'"#/components/(\w+)/([^"]+)"')

# What makes a thing comes before what needs one.
ORDER = ["put", "post", "patch", "get", "delete"]
# They end the token that is used, or the account; the next try has none.
LAST = [("post", "/v1/auth/logout"), ("post", "/v1/auth/logout-everywhere"), ("delete", "/v1/me")]
# 404: nothing has the id of an example. Never: 400, 412, 422 or 428, a request that could not be right.
FINE = {200, 201, 202, 204, 404}
# What no click alone can know: a code from a mail, whether an account is there or a task recurs, what was undone.
ALSO = {
    "post /v1/auth/login": {401},
    "post /v1/auth/register": {409},
    "post /v1/auth/password-reset/confirm": {400},
    "post /v1/auth/verify-email": {400},
    "post /v1/me/email": {409},
    "post /v1/tasks/{task_id}/skip": {409},
    "post /v1/changes/{change_no}/undo": {409},  # undone already, or changed again since
    **{" ".join(one): {401} for one in LAST},
}


def test_each_operation_can_be_tried_three_times_by_clicking(server: Server, thread: ThreadPoolExecutor) -> None:
    told = thread.submit(try_all, server).result()

    assert len(told) == len(operations())
    assert all(len(statuses) == 3 for statuses in told.values())
    refused = {name: told[name] for name in told if not {*told[name]} <= FINE | ALSO.get(name, set())}
    assert refused == {}
    writes = ("put /v1/tasks/{task_id}", "put /v1/lists/{list_id}", "post /v1/tasks", "post /v1/tokens", "patch /v1/me")
    assert all({*told[name]} <= {200, 201} for name in writes)
    assert all(told[" ".join(one)][0] == 204 for one in LAST)


def try_all(server: Server) -> dict[str, list[int]]:
    wanted = [(operation.method.lower(), operation.path) for operation in operations()]
    wanted = sorted((one for one in wanted if one not in LAST), key=in_order)
    told: dict[str, list[int]] = {}
    with visit(server) as visitor:
        page = visitor.open("/docs")
        for some in (wanted, *([one] for one in LAST)):
            page.evaluate(AUTHORIZE, new_token(server))
            told |= page.evaluate(WALK, [(*one, alone(*one)) for one in some])
        visitor.keep("docs-tried")
        forget_refusals(visitor)
    return told


def in_order(one: tuple[str, str]) -> tuple[bool, int]:
    """Undoing comes last: the example is the first change of all."""
    return one[1].endswith("/undo"), ORDER.index(one[0])


def alone(method: str, path: str) -> str:
    """Return the document with this operation only, and without its answers: all is drawn anew at each click."""
    whole = document()
    operation = {**whole["paths"][path][method], "responses": {"default": {"description": "as the API answers"}}}
    needed = {"securitySchemes": whole["components"]["securitySchemes"]}
    left = REFERENCE.findall(json.dumps(operation))
    while left:
        kind, name = left.pop()
        if name not in needed.setdefault(kind, {}):
            needed[kind][name] = whole["components"][kind][name]
            left += REFERENCE.findall(json.dumps(needed[kind][name]))
    one = {"info": {"title": "One", "version": "1"}, "paths": {path: {method: operation}}, "components": needed}
    return json.dumps({**whole, **one})


def new_token(server: Server) -> str:
    with register(server, f"reader-{uuid.uuid4().hex}@example.com") as reader:
        return str(reader.headers["Authorization"].removeprefix("Bearer "))


def forget_refusals(visitor: Visit) -> None:
    """Leave out what the API refuses, which is looked at by its status; a console calls it an error."""
    visitor.complaints = [one for one in visitor.complaints if "/v1/" not in one and "status of" not in one]
