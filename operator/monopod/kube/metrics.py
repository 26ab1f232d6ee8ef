"""The operator's metrics, in a registry of their own; docs/reference/metrics.md lists them."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    disable_created_metrics,
)
from prometheus_client import ProcessCollector as ProcessMetrics

# When a counter began is noise next to it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

REGISTRY = CollectorRegistry()
ProcessMetrics(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

LEADER = Gauge("monopod_leader", "1 on the replica that leads, 0 on the others.", registry=REGISTRY)
PROFILES = Gauge("monopod_profiles", "FargateProfiles by phase.", ["phase"], registry=REGISTRY)
PROFILE_PODS = Gauge("monopod_profile_pods", "Pods that exist, by profile.", ["profile"], registry=REGISTRY)
PROFILE_ISSUES = Gauge(
    "monopod_profile_issues",
    "1 for each health issue of a profile, by its code (docs/reference/conditions.md).",
    ["profile", "code"],
    registry=REGISTRY,
)
NAMESPACES = Gauge("monopod_namespaces", "Namespaces that a profile reaches.", registry=REGISTRY)
RECONCILES = Counter(
    "monopod_controller_reconciles",
    "Reconciles, by controller and result: ok, error (something couldn't be read or written), failed (a bug, logged).",
    ["controller", "result"],
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "monopod_controller_reconcile_seconds", "Seconds that a reconcile took.", ["controller"], registry=REGISTRY
)
QUEUE_DEPTH = Gauge(
    "monopod_controller_queue_depth", "Keys that wait to be reconciled.", ["controller"], registry=REGISTRY
)
WRITES = Counter(
    "monopod_writes",
    "Writes to the API server, by resource (namespaces, configmaps, profiles, status, events, pods, networkpolicies, "
    "storedpods, daemonsets, ecstasks) and result (ok, failed).",
    ["resource", "result"],
    registry=REGISTRY,
)
STORED_PODS = Gauge(
    "monopod_stored_pods",
    "Pods without a controller whose manifests are kept because they are moved, by phase.",
    ["phase"],
    registry=REGISTRY,
)
DRY_RUNS = Counter(
    "monopod_dry_runs",
    "Server-side dry runs by which profiles are checked, by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
WATCH_MISSED = Counter(
    "monopod_watch_missed_objects",
    "Objects that a list showed and the watch had not, by resource. Anything but 0 is worth a look.",
    ["resource"],
    registry=REGISTRY,
)
WATCHED = Gauge(
    "monopod_watched_objects",
    "Objects that the operator holds in memory, by resource.",
    ["resource"],
    registry=REGISTRY,
)
SPOT_FALLBACKS = Counter(
    "monopod_spot_fallbacks",
    "How often a workload began to run on demand because Spot had no room for it, by profile.",
    ["profile"],
    registry=REGISTRY,
)
EVICTIONS = Counter(
    "monopod_evictions",
    "Evictions that were asked for, by answer, and by purpose (deletion, rescheduling, spot, drill, patching). Those "
    "that were granted are bound by the limit below.",
    ["answer", "purpose"],
    registry=REGISTRY,
)
EVICTIONS_LIMIT = Gauge(
    "monopod_evictions_per_minute_limit",
    "How many evictions there are in a minute at most, over the whole cluster.",
    registry=REGISTRY,
)
RESCHEDULED_PODS = Gauge(
    "monopod_rescheduling_pods",
    "Pods that ran elsewhere when a profile began to move them, by profile and state (moved, waiting, blocked, left).",
    ["profile", "state"],
    registry=REGISTRY,
)
PATCHING_PODS = Gauge(
    "monopod_patching_pods",
    "Pods in sandboxes that were out of date when a profile began to replace them, by profile and state (replaced, "
    "stale, blocked, left). Those that are blocked are among the stale ones.",
    ["profile", "state"],
    registry=REGISTRY,
)
SCHEDULED_TERMINATIONS = Counter(
    "monopod_scheduled_terminations",
    "Pods of which was said that they can't be evicted, and when they are to be terminated.",
    registry=REGISTRY,
)
RESCHEDULING_SCANS = Counter(
    "monopod_rescheduling_scans",
    "Scans of the pods of a namespace, by extent (search: metadata of pods that no profile runs; whole) and result "
    "(ok, failed).",
    ["extent", "result"],
    registry=REGISTRY,
)
ISOLATION_POLICIES = Counter(
    "monopod_isolation_policies",
    "NetworkPolicies of Monopod's that were written, deleted, or restored after someone else had changed them.",
    ["action"],
    registry=REGISTRY,
)
ISOLATION_SECONDS = Histogram(
    "monopod_isolation_seconds",
    "Seconds from when a pod was seen to when its NetworkPolicy was written.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
DENIED_PODS = Gauge(
    "monopod_denied_pods",
    "Pods that are denied all traffic, because a security group of theirs doesn't exist or can't be used, by profile.",
    ["profile"],
    registry=REGISTRY,
)
OVER_PERMISSIVE_PODS = Gauge(
    "monopod_over_permissive_pods",
    "Pods that NetworkPolicies of others may allow more than their security groups do, by profile.",
    ["profile"],
    registry=REGISTRY,
)
UNSUPPORTED_PODS = Gauge(
    "monopod_unsupported_pods", "Pods that stay Pending because Fargate can't run them.", registry=REGISTRY
)
NOTICES = Counter(
    "monopod_notices",
    "Notices for the webhook, by kind (SpotInterruption, ScheduledTermination, TaskStateChange) and result: sent, "
    "refused (by the receiver), expired (it failed for a day), dropped (too many waited).",
    ["kind", "result"],
    registry=REGISTRY,
)
NOTICES_WAITING = Gauge("monopod_notices_waiting", "Notices that wait to be sent to the webhook.", registry=REGISTRY)
SPOT_INTERRUPTIONS = Counter(
    "monopod_spot_interruptions",
    "Pods that were interrupted, by cause: Drill, Preemption, SpotNotice, RebalanceRecommendation, "
    "ScheduledMaintenance, AutoScalingTermination, NodeDisruption or NodeShutdown.",
    ["cause"],
    registry=REGISTRY,
)
