"""What the files for containers and platforms say, held to the code; no image is built here."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment import FOLDER
from tests.support.processes.servers import ROOT, Server
from todoproject import settings
from todoproject.database import embedded, url

DOCKERFILE = re.sub(r"(?m)^#.*\n|\\\n", "", (ROOT / "Dockerfile").read_text())
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line.strip()]
COMPOSE = ["compose.yaml", "compose.pgbouncer.yaml"]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def compose(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return document


def settings_of(name: str) -> dict[str, str]:
    found: dict[str, str] = compose(name)["x-settings"]
    return found


def test_the_image_does_not_run_as_root_and_has_a_health_check() -> None:
    assert re.fullmatch(r"[1-9][0-9]{3,}:[1-9][0-9]{3,}", arguments("USER")[-1])
    assert "/health/live" in arguments("HEALTHCHECK")[0]
    assert arguments("FROM")[-1].endswith("-slim")


def test_what_is_copied_is_there_and_nothing_secret_is_in_the_build() -> None:
    sources = [source for line in arguments("COPY") if "--from" not in line for source in line.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the image holds, made by the same commands, without any settings of this machine."""
    folder = tmp_path_factory.mktemp("image")
    for line in arguments("COPY"):
        if "--from" not in line and "/tmp/" not in line:  # noqa: S108 -- as the Dockerfile says
            for source in line.split()[:-1]:
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, folder / source)
    [command] = [line for line in arguments("RUN") if "collectstatic" in line]
    subprocess.run(["sh", "-ec", command], cwd=folder, env=environment(), check=True)
    return folder


def environment() -> dict[str, str]:
    given = dict(pair.split("=", 1) for line in arguments("ENV") for pair in shlex.split(line))
    return {**given, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}


@pytest.mark.slow
def test_static_files_are_in_the_image_without_any_real_setting(image: Path) -> None:
    assert (image / "staticfiles" / "staticfiles.json").is_file()
    assert not (image / ".env").exists()


@pytest.mark.slow
def test_command_serves_without_writing_anything_and_the_health_check_says_so(image: Path, server: Server) -> None:
    socket = embedded.socket_directory(FOLDER / "postgres")
    own = {
        "DATABASE_URL": f"postgresql://{embedded.OWNER}@/{embedded.DATABASE}?host={socket}",
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "ALLOWED_HOSTS": "api.example.com",
    }
    other = Server(**{**environment(), **own, "HOST": "127.0.0.1"})
    other.root = image
    before = {path: path.stat().st_mtime_ns for path in image.rglob("*")}
    port = str(other.port)
    other._environment["PORT"] = port
    with other:
        check = yaml.safe_load(arguments("HEALTHCHECK")[0].partition("CMD ")[2])
        variables = {**environment(), "PORT": port}
        assert subprocess.run(check, env=variables, check=False).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in image.rglob("*")} == before
    assert subprocess.run(check, env=variables, stderr=subprocess.DEVNULL, check=False).returncode != 0


@pytest.mark.parametrize("name", COMPOSE)
def test_settings_of_the_compose_files_are_ours_and_their_urls_are_taken(name: str) -> None:
    for setting, value in settings_of(name).items():
        assert setting in settings.env.examples
        if setting.endswith("DATABASE_URL"):
            parsed = url.parse(re.sub(r"\$\{[^}]*\}", "secret", value))
            assert parsed["HOST"] in ("postgres", "pgbouncer")
            assert parsed["NAME"] == "todo"


def test_services_are_read_only_without_rights_and_wait_for_the_migrations() -> None:
    services = compose("compose.yaml")["services"]

    for name in ("web", "migrate"):
        assert (services[name]["read_only"], services[name]["cap_drop"]) == (True, ["ALL"])
    assert services["web"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    # Longer than the service takes for its last requests.
    assert int(services["web"]["stop_grace_period"].rstrip("s")) > settings.SHUTDOWN_TIMEOUT + 15


def test_migrations_go_around_pgbouncer() -> None:
    own = settings_of("compose.pgbouncer.yaml")

    assert "@pgbouncer:6432/" in own["DATABASE_URL"]
    assert "@postgres/" in own["DIRECT_DATABASE_URL"]


def test_kubernetes_has_the_probes_the_rights_and_the_time_that_we_need() -> None:
    kinds = {part["kind"]: part for part in yaml.safe_load_all((ROOT / "kubernetes.yaml").read_text())}
    given = kinds["ConfigMap"]["data"]
    assert given.keys() <= settings.env.examples.keys()
    pods = [kinds[kind]["spec"]["template"]["spec"] for kind in ("Job", "Deployment")]
    for pod in pods:
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pods[0]["containers"][0]["command"] == ["python", "manage.py", "migrate"]
    (web,) = pods[1]["containers"]
    paths = {probe: web[probe]["httpGet"]["path"] for probe in ("livenessProbe", "startupProbe", "readinessProbe")}
    assert set(paths.values()) == {"/health/live", "/health/ready"}
    assert paths["livenessProbe"] == "/health/live"  # one that asks the database would restart all when it sleeps
    needed = int(given["SHUTDOWN_DELAY_SECONDS"]) + settings.SHUTDOWN_TIMEOUT
    assert pods[1]["terminationGracePeriodSeconds"] > needed + 5


def test_procfile_names_commands_that_are_there() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    assert lines["release"] == "python manage.py migrate"
    assert lines["web"].endswith("python manage.py runserver")
