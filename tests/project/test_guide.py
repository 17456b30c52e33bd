"""The guide at /docs: its examples run as they stand, one after the other in one shell."""

import re
import subprocess
import uuid

from tests.support.processes.servers import ROOT, Server


def test_examples_of_the_guide_run(server: Server) -> None:
    guide = (ROOT / "todoproject" / "openapi" / "guide.md").read_text()
    script = "\n".join(re.findall(r"```sh\n(.*?)```", guide, re.DOTALL))
    script = script.replace("http://127.0.0.1:8000", server.url).replace("dora@", f"{uuid.uuid4().hex}@")

    finished = subprocess.run(["bash", "-euo", "pipefail"], input=script, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    output = finished.stdout
    for shown in (
        '"title":"Buy milk"',
        '"required":["account"],"held":["tasks:read"]',
        "did you mean title?",
        '"total":1',
        '"priority":"low"',
        '"code":"precondition-failed"',
        '"version":4',
        '{"results":[{"status":201',
        "dempotency-replayed: true",
    ):
        assert shown in output, (shown, output)
    assert '"code":"unauthenticated"' not in output
    assert '"code":"internal-error"' not in output
