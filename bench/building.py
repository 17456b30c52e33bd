"""Peers that are no Python: they are built before a run; who cannot be built here is left out, with a line."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence

from bench.errors import BenchError
from bench.peers import Build, Peer


def available(peers: Sequence[Peer], tell: Callable[[str], None]) -> list[Peer]:
    """Build what is to be built; return the peers that can be started. Raises BenchError where none can."""
    found = []
    for peer in peers:
        if reason := peer.build and _missing(peer.build):
            tell(f"{peer.title} is left out: {reason}")
        else:
            found.append(peer)
    if not found:
        raise BenchError("none of these peers can be built here")
    return found


def _missing(build: Build) -> str:
    """Build; return what stands in the way, or nothing."""
    lacking = [program for program in build.programs if shutil.which(program) is None]
    if lacking:
        return f"{' and '.join(lacking)} not found ({build.hint})"
    if build.is_done():
        return ""
    environment = {**os.environ, **build.environment}
    result = subprocess.run(
        build.command, cwd=build.folder, env=environment, capture_output=True, text=True, check=False
    )
    if not result.returncode:
        return ""
    return f"{' '.join(build.command)} failed ({build.hint}): {(result.stderr or result.stdout).strip()[-500:]}"
