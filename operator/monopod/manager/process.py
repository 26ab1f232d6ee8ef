"""One replica's life.

    start ──► standby ──Lease acquired──► load lists ──► lead (watch, reconcile, audit, renew) ──► stop, release, exit 0
                 └── SIGTERM: exit 0          ▲             ├── Lease lost, or a watch broke for good: exit 1
                                              └─────────────┴── a kind came or went: the Lease is kept

A leader that failed exits rather than mends itself: the kubelet restarts it, the standby leads meanwhile, and
starting from nothing is the one path that is always tested.
"""

import asyncio
import signal
from functools import partial
from typing import Any

import structlog

from monopod.admission.installed import fetch_admission
from monopod.admission.policies import build_policies
from monopod.bare_pods.controller import BareKeeper
from monopod.capacity.controller import CapacityReader
from monopod.capacity.images.controller import ImageWarmer
from monopod.capacity.warm.controller import WarmKeeper
from monopod.capacity.warm.states import WarmStates
from monopod.eviction.evictor import Evictor
from monopod.isolation.controller import Isolator
from monopod.kube.client.api import ApiError, ApiUnreachable, Unconfigured
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.controller import Controller
from monopod.kube.event_recorder import EventRecorder
from monopod.kube.lease import LeadershipLost, Lease, Timing
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import LEADER
from monopod.kube.retry import retry
from monopod.kube.server.health import HealthServer
from monopod.kube.watch import KindGone, Watching
from monopod.manager.auditor import Auditor
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from monopod.manager.watches import build_sources
from monopod.notices.webhook import Webhook
from monopod.patching.announcer import Announcer
from monopod.patching.controller import Patcher
from monopod.profiles.controller import Reconciler
from monopod.rescheduling.contributor import ProgressContributor
from monopod.rescheduling.controller import Rescheduler
from monopod.spot.controller import SpotKeeper
from monopod.spot.drills import DrillRunner
from monopod.spot.interruptions import InterruptionReporter
from monopod.tasks.clusters import ClusterKeeper
from monopod.tasks.controller import TaskRunner
from monopod.usage.controller import UsageReader

# How often to check whether the cluster has SecurityGroupPolicies.
KINDS_SECONDS = 10.0

logger = structlog.stdlib.get_logger(__name__)


class Process:
    """Everything that one replica runs."""

    def __init__(self, options: OperatorOptions) -> None:
        self._options = options
        self._caches = WatchedCaches(options.namespace, has_ecs=options.ecs)
        self._stopping = asyncio.Event()
        self._controllers: tuple[Controller[Any], ...] = ()
        self._standing_by = False
        self._problems = ProblemLog(logger)

    async def run(self) -> int:
        """Runs until a signal or a failure; the exit code."""
        self._install_signals()
        try:
            path = self._options.kubeconfig
            configuration = await load_configuration(str(path) if path else None)
        except Unconfigured as error:
            logger.error("no API server", error=str(error))
            return 1
        api = ApiClient(configuration)
        server = HealthServer(self._get_trouble, self._get_unreadiness)
        try:
            try:
                port = await server.start(self._options.listen, self._options.metrics_port)
            except OSError as error:
                logger.error("no port to listen on", error=str(error))
                return 1
            logger.info("started", identity=self._options.identity, port=port, api_server=configuration.host)
            return await self._stand_by_then_lead(api)
        finally:
            await server.stop()
            await api.close()
            logger.info("stopped")

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)

    async def _stand_by_then_lead(self, api: ApiClient) -> int:
        options = self._options
        if not options.leader_elect:
            return await self._lead(api, None)
        timing = Timing.from_duration(options.lease_seconds)
        lease = Lease(api, options.namespace, options.identity, timing, self._report_lease)
        self._standing_by = True
        waiting = asyncio.create_task(lease.acquire(), name="lease")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await _end(waiting)
            await lease.release()  # it may have been taken in this very moment
            return 0
        stopping.cancel()
        if failure := waiting.exception():
            # Without the right to the Lease there is nothing to wait for.
            logger.error("the Lease can't be had", error=str(failure))
            return 1
        self._standing_by = False
        try:
            return await self._lead(api, lease)
        finally:
            await lease.release()

    def _report_lease(self, trouble: str) -> None:
        if trouble:
            self._problems.report("lease", trouble)
        else:
            self._problems.clear("lease")

    async def _lead(self, api: ApiClient, lease: Lease | None) -> int:
        logger.info("leading", identity=self._options.identity)
        LEADER.set(1)
        own: list[asyncio.Task[Any]] = [asyncio.create_task(self._stopping.wait(), name="stop")]
        if lease:
            own.append(asyncio.create_task(lease.hold(), name="lease"))
        starting_over, done = True, set[asyncio.Task[Any]]()
        while starting_over:
            work = asyncio.create_task(self._work(api, lease), name="work")
            notice = asyncio.create_task(self._notice_group_policies(api), name="kinds")
            done, _ = await asyncio.wait([work, notice, *own], return_when=asyncio.FIRST_COMPLETED)
            # Nothing may be written any more once the Lease is released: wait for the work to end first.
            await _end(work, notice)
            if done == {work} and _has_kind_gone(work.exception()):
                logger.info("starting over: a kind that is watched isn't served any more")
                starting_over = True
            else:
                starting_over = done == {notice} and notice.exception() is None
        await _end(*own)
        LEADER.set(0)
        failures = [error for task in done if not task.cancelled() and (error := task.exception())]
        for failure in failures:
            logger.error("leading failed", error=str(failure), exc_info=_trace(failure))
        return 1 if failures else 0

    async def _work(self, api: ApiClient, lease: Lease | None) -> None:
        """Starts from nothing each time, as a new process does."""
        options, problems = self._options, self._problems
        self._caches = caches = WatchedCaches(options.namespace, has_ecs=options.ecs)
        is_leading = (lambda: lease.is_held) if lease else (lambda: True)
        recorder = EventRecorder(api, problems)
        isolator = Isolator(api, caches, options, recorder, problems)
        evictor = Evictor(api, options, problems, is_leading)
        bare = BareKeeper(api, caches, evictor, options, recorder, problems, sources=("rescheduling", "patching"))
        rescheduler = Rescheduler(api, caches, evictor, bare, options, recorder, problems)
        read_admission = partial(fetch_admission, api, _list_policies(options))
        webhook = Webhook(options, problems)
        announcer = Announcer(recorder, webhook.send, options.webhook_cluster)
        patcher = Patcher(api, caches, evictor, bare, announcer, problems)
        usage = UsageReader(api, options, problems)
        states = WarmStates()
        capacity = CapacityReader(
            api, caches, options.choose_sandbox, recorder, problems, states, options.spot_node_label
        )
        warm = WarmKeeper(api, caches, options, capacity.list_asking, states, problems)
        spot = SpotKeeper(api, caches, evictor, recorder, problems)
        images = ImageWarmer(api, caches, options, options.choose_sandbox, problems)
        drills = DrillRunner(api, caches, evictor, problems)
        moves = ProgressContributor(rescheduler.compute_moves)
        contributors = (isolator, moves, patcher, capacity, images, usage, drills)
        reconciler = Reconciler(
            api,
            caches,
            isolator,
            options,
            read_admission,
            evictor,
            rescheduler,
            patcher,
            contributors,
            recorder,
            problems,
        )
        interruptions = InterruptionReporter(caches, recorder, webhook.send, problems)
        tasks = TaskRunner(api, caches, options, problems, webhook.send, recorder.record_state) if options.ecs else None
        clusters = ClusterKeeper(api, caches, problems) if options.ecs else None
        auditor = Auditor(api, caches, options, problems)
        auditor.audited.subscribe(reconciler.enqueue)
        usage.changed.subscribe(reconciler.enqueue)
        capacity.changed.subscribe(reconciler.enqueue)
        images.changed.subscribe(reconciler.enqueue)
        drills.changed.subscribe(reconciler.enqueue)
        self._controllers = (
            *reconciler.controllers,
            rescheduler.controller,
            patcher.controller,
            bare.controller,
            evictor.controller,
            *isolator.controllers,
            auditor.controller,
            capacity.controller,
            images.controller,
            warm.controller,
            usage.controller,
            webhook.controller,
            interruptions.controller,
            spot.controller,
            drills.controller,
            *(tasks.controllers if tasks else ()),
            *((clusters.controller,) if clusters else ()),
        )
        await self._load(api)
        isolator.begin()
        auditor.begin()
        capacity.begin()
        images.begin()
        warm.begin()
        usage.begin()
        spot.begin()
        drills.begin()
        if tasks:
            tasks.begin()
        reconciler.enqueue(0)
        sources = build_sources(caches, reconciler, tasks, interruptions, options.namespace)
        watching = Watching(sources, api.configuration)
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                group.create_task(controller.run(), name=controller.name)
            group.create_task(watching.run(self._install_signals), name="watching")

    async def _notice_group_policies(self, api: ApiClient) -> None:
        """Returns when EKS's kind is installed or goes: what is watched is settled at the start."""
        while True:
            await asyncio.sleep(KINDS_SECONDS)
            known = self._caches.has_group_policies
            try:
                has_it = await self._caches.fetch_group_policies(api)
            except (ApiUnreachable, ApiError):
                continue
            if known is not None and has_it != known:
                logger.info("starting over: SecurityGroupPolicy came or went", served=has_it)
                return

    async def _load(self, api: ApiClient) -> None:
        """The first lists. A CRD that isn't there yet, or an API server that is away, is waited for."""
        loading = partial(self._caches.load, api)
        await retry(loading, "first lists", (ApiUnreachable, ApiError), self._problems)

    def _get_trouble(self) -> str:
        """What a restart would fix."""
        if stalled := [controller.name for controller in self._controllers if controller.is_stalled]:
            return f"controller {', '.join(stalled)} hangs in a reconcile"
        dead = self._caches.get_dead_watches()
        return f"the watch of {', '.join(dead)} brings nothing any more" if dead else ""

    def _get_unreadiness(self) -> str:
        if self._standing_by:
            return ""
        if not self._controllers:
            return "starting"
        return "" if self._controllers[0].completed else "the profiles haven't been reconciled yet"


def _list_policies(options: OperatorOptions) -> list[dict[str, Any]]:
    policies = build_policies(
        options.user_name,
        options.namespace,
        recreate_bare_pods=options.recreate_bare_pods,
        runs_tasks=options.ecs,
        pause_image=options.pause_image,
    )
    return [document for pair in policies.values() for document in pair]


def _has_kind_gone(failure: BaseException | None) -> bool:
    """A watch can break before it is noticed that its kind went, which may even be back by then."""
    return isinstance(failure, BaseExceptionGroup) and failure.subgroup(KindGone) is not None


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _trace(error: BaseException) -> BaseException | None:
    return None if isinstance(error, LeadershipLost) else error
