"""Where did the time of a request go? Spans for OpenTelemetry, for who has installed the extra `tracing` and asked.

A span tells route, status and ids that the ledger made or logs anyway; no path, query, header, body or statement: no
value of a patient can stand in one. Of what a caller sends along only `traceparent` is read, never baggage.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPMethod
from multiprocessing.util import Finalize
from typing import Any, cast

from falcon import Request, Response
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from api.telemetry import QUIET

Note = Callable[[str, float], None]

PATIENCE = 2.0
"""Seconds that a collector has for a batch of spans; so long it may also hold up the end of a worker."""

STEPS = ("look_up", "append")
"""What the ledger tells of a transaction in seconds; the rest are counts and causes."""


def tracer_to(url: str) -> Tracer:
    """Return a tracer that sends spans to an OTLP/HTTP endpoint, in the background; OTEL_* variables say the rest."""
    return tracer_with(OTLPSpanExporter(endpoint=url, timeout=PATIENCE))


def tracer_with(exporter: SpanExporter) -> Tracer:
    """Return a tracer that gives finished spans to this exporter."""
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "patient-ledger"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    Finalize(None, provider.shutdown, exitpriority=1)  # a worker process ends without `atexit`
    return provider.get_tracer("patient-ledger")


class Tracing:
    """A span for each request, with the steps of the transaction that it led below it.

    Requests that arrive together share a transaction: its steps stand below the first of them.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def noting(self, note: Note) -> Note:
        """Return a function that tells `note`, and the trace of the request at hand."""

        def both(name: str, amount: float) -> None:
            note(name, amount)
            self._tell(name, amount)

        return both

    def process_request(self, req: Request, _resp: Response) -> None:
        """Begin the span."""
        if req.path in QUIET:
            return
        sent = {"traceparent": req.get_header("traceparent") or ""}
        caller = TraceContextTextMapPropagator().extract(sent, Context())
        span = self._tracer.start_span(_method(req), caller, kind=SpanKind.SERVER)
        req.context.span = span
        req.context.untraced = context.attach(trace.set_span_in_context(span, Context()))

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """End the span, or let it end with the answer that is still to be worked out."""
        span: Span | None = req.context.get("span")
        if span is None:
            return
        context.detach(req.context.untraced)
        span.update_name(f"{_method(req)} {req.uri_template or 'none'}")
        span.set_attributes(_attributes(req, resp))
        if resp.status_code >= 500:
            span.set_status(StatusCode.ERROR)
        if resp.stream is None:
            span.end()
        else:
            resp.stream = _until_sent(cast(Iterable[bytes], resp.stream), span)  # no answer is a file

    def _tell(self, name: str, amount: float) -> None:
        parent = trace.get_current_span()
        if not parent.is_recording():
            return
        if name not in STEPS:
            parent.add_event(name, {"ledger.amount": amount})
            return
        ended = time.time_ns()
        step = self._tracer.start_span(name, start_time=ended - int(amount * 1e9))
        step.end(ended)


def _method(req: Request) -> str:
    return req.method if req.method in HTTPMethod.__members__ else "other"  # a sender may call it what he likes


def _attributes(req: Request, resp: Response) -> dict[str, Any]:
    principal = req.context.get("principal")
    return {
        "http.request.method": _method(req),
        "http.route": req.uri_template or "none",
        "http.response.status_code": resp.status_code,
        "ledger.request_id": req.context.request_id,
        **({} if principal is None else {"ledger.organization_id": principal.organization_id}),
        **({} if principal is None else {"ledger.key_id": principal.key_id}),
    }


def _until_sent(stream: Iterable[bytes], span: Span) -> Iterator[bytes]:
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        yield from stream
