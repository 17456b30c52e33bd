"""OpenTelemetry traces and Sentry, each by its setting; without it nothing of either is even imported.

Nobody's data leaves: no address, header, body, path, query, value of a statement, and no user. A span knows its route,
its status, and statements by their shape. Sentry is told an error's type and stack, its route and its request id, under
which the log has the rest.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings

from todoproject.observability import logs, metrics, slow_queries
from todoproject.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span
    from sentry_sdk.types import Event, Hint

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# How long a worker that ends waits for a collector that does not answer.
_TIMEOUT_SECONDS = 5
# An error is told in our own words; what a library says may hold what it was given.
_OUR_LOGGERS = ("todoproject", "accounts", "tasks")

_provider: "TracerProvider | None" = None


def start() -> None:
    """Begin to send what the settings want sent."""
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT and _provider is None:
        _start_tracing()
    if settings.SENTRY_DSN:
        _start_sentry()


def stop() -> None:
    """Send what is still waiting, for some seconds at most."""
    global _provider  # noqa: PLW0603 -- one for the process, as the library wants it
    if _provider is not None:
        _provider.shutdown()
        _provider = None
    if settings.SENTRY_DSN:
        import sentry_sdk

        sentry_sdk.flush(_TIMEOUT_SECONDS)


def traced(application: Application) -> Application:
    """Return an application that makes a span of each request, or the same one where nobody wants traces."""
    return application if _provider is None else Traced(application, _provider)


# --- OpenTelemetry --------------------------------------------------------------------------------


class Traced:
    """An ASGI application whose requests are server spans, in the trace that their `traceparent` names (W3C)."""

    def __init__(self, application: Application, provider: "TracerProvider") -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._application = application
        self._extract = TraceContextTextMapPropagator().extract
        self._begin = partial(
            provider.get_tracer("todoproject").start_as_current_span, kind=SpanKind.SERVER, record_exception=False
        )

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = metrics.known_method(scope["method"])
        attributes = {"http.request.method": method, "url.scheme": scope.get("scheme", "http")}
        with self._begin(method, context=self._extract(headers), attributes=attributes) as span:
            await self._application(scope, receive, partial(_send, span, send))


async def _send(span: "Span", send: Any, message: dict[str, Any]) -> None:
    if message["type"] == "http.response.start":
        span.set_attribute("http.response.status_code", message["status"])
        if message["status"] >= 500:
            from opentelemetry.trace import StatusCode

            span.set_attribute("error.type", str(message["status"]))
            span.set_status(StatusCode.ERROR)
    await send(message)


def _start_tracing() -> None:
    global _provider  # noqa: PLW0603 -- one for the process, as the library wants it
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before this; so does OTEL_TRACES_SAMPLER.
    ours = Resource({"service.name": "todoproject", "service.version": VERSION})
    _provider = TracerProvider(resource=ours.merge(Resource.create()), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces", timeout=_TIMEOUT_SECONDS)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    logs.route_observers.append(_name_span)
    slow_queries.observers.append(partial(_record_statement, _provider.get_tracer("todoproject")))
    for handler in logging.getLogger().handlers:
        handler.addFilter(_note_trace)


def _name_span(route: str) -> None:
    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    if isinstance(span, Span):  # one that is recorded
        span.update_name(f"{span.name} {route}")
        span.set_attribute("http.route", route)


def _record_statement(tracer: Any, engine: str, shape: str, seconds: float) -> None:
    """Make a span of a message that has been answered; only inside a request that is traced."""
    from opentelemetry.trace import SpanKind, get_current_span

    if get_current_span().is_recording():
        end = time.time_ns()
        operation = shape.split(maxsplit=1)[0].upper()
        attributes = {"db.system.name": "postgresql", "db.query.text": shape, "db.operation.name": operation}
        begun = end - int(seconds * 1e9)
        tracer.start_span(operation, kind=SpanKind.CLIENT, start_time=begun, attributes=attributes).end(end)


def _note_trace(record: logging.LogRecord) -> bool:
    """Let each line of a traced request name its trace."""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    if context.is_valid:
        record.trace_id = format_trace_id(context.trace_id)
    return True


# --- Sentry ---------------------------------------------------------------------------------------


def _start_sentry() -> None:
    import sentry_sdk
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        settings.SENTRY_DSN,
        release=VERSION,
        environment=settings.ENVIRONMENT,
        # What is an error is decided where it is logged. The others would look into requests and calls.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR), DedupeIntegration()],
        include_local_variables=False,
        send_default_pii=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=_without_data,
    )


def _without_data(event: "Event", hint: "Hint") -> "Event":
    """Keep what we know to be nobody's data; a message may quote a value, even the database's."""
    current, record = logs.context.get(), hint.get("log_record")
    for error in event.get("exception", {}).get("values", []):
        error["value"] = ""
    message = None if record is None or record.name.split(".")[0] not in _OUR_LOGGERS else record.msg
    event["logentry"] = {"message": message or "an error of a library"}
    event["extra"] = {"request_id": current.request_id} if current else {}
    event["tags"] = {"route": current.route} if current and current.route else {}
    for part in ("user", "request", "breadcrumbs", "modules"):
        event.pop(part, None)  # type: ignore[misc]  # the key is one of a few literals
    return event
