"""The endpoint's metrics, in a registry of their own; docs/reference/metrics.md lists them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as ProcessMetrics

REGISTRY = CollectorRegistry()
ProcessMetrics(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

REQUESTS = Counter(
    "monopod_aws_requests",
    "Requests to the AWS endpoint, by service, operation (empty where there is no such one) and code (ok, or AWS's).",
    ["service", "operation", "code"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "monopod_aws_request_seconds",
    "Seconds from a request's head to its answer, by service and operation.",
    ["service", "operation"],
    registry=REGISTRY,
)
METADATA_REQUESTS = Counter(
    "monopod_aws_metadata_requests",
    "Requests of ECS tasks for their own metadata, by HTTP status.",
    ["status"],
    registry=REGISTRY,
)
EXEC_SESSIONS = Gauge("monopod_aws_exec_sessions", "Sessions of ECS Exec at this replica.", registry=REGISTRY)
