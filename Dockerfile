# syntax=docker/dockerfile:1
# The service in a container: not root, with a root file system that may be read only, static files inside.
#   docker build -t todo .          then see compose.yaml
# Settings come from the environment; no .env is read. Migrations run in a container of their own, before the others:
#   docker run --rm --env-file … todo python manage.py migrate

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --no-deps --require-hashes --only-binary :all: -r /tmp/requirements.txt

FROM python:3.13-slim
# The numbers are written out, so that Kubernetes can see that this is not root (runAsNonRoot).
RUN groupadd --gid 10001 todo && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin todo
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/todo
COPY manage.py LICENSE ./
COPY accounts accounts
COPY doors doors
COPY tasks tasks
COPY todoproject todoproject
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production HOST=0.0.0.0 PORT=8000
# Settings for this one command: nothing of them stays in the image, and no database is asked.
RUN SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(48))') \
    DATABASE_URL=postgresql://build@localhost/build ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q accounts doors tasks todoproject
USER 10001:10001
EXPOSE 8000
# SIGTERM: answers what is under way, for SHUTDOWN_TIMEOUT_SECONDS (20) at most; give a stop more than that.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/live', timeout=2)"]
CMD ["python", "manage.py", "runserver"]
