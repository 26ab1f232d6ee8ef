"""One replica's life.

    start ──► find the API server ──► listen ──► answer ──► SIGTERM: finish what has begun, exit 0
                                                    └── a part failed for good: exit 1

There is no leader and nothing to remember: all state is in Kubernetes' objects, and any replica answers any request.
"""

import asyncio
import signal
from pathlib import Path

import structlog

from monopod.aws.access.impersonation import TextApiFor, execute_with, impersonate_with
from monopod.aws.access.keys import AccessKeys
from monopod.aws.certificate import FileCertificate, build_own_context
from monopod.aws.ecs import operations as ecs
from monopod.aws.eks import operations as eks
from monopod.aws.exec import operations as execution
from monopod.aws.exec.channels import Channels
from monopod.aws.exec.sessions import Sessions
from monopod.aws.logs import operations as logs
from monopod.aws.metadata.kubelets import Kubelets, build_context
from monopod.aws.metadata.server import MetadataServer
from monopod.aws.metadata.task_records import TaskRecords
from monopod.aws.options import SERVER, Account, AwsOptions
from monopod.aws.sts import operations as sts
from monopod.aws.wire.call import Service
from monopod.aws.wire.endpoint import Endpoint
from monopod.aws.wire.metrics import REGISTRY
from monopod.aws.wire.server import Server
from monopod.kube.client.api import Unconfigured
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.client.exec import ExecClient
from monopod.kube.clock import SYSTEM_CLOCK
from monopod.kube.controller import WHOLE
from monopod.kube.server.health import HealthServer

logger = structlog.stdlib.get_logger(__name__)


class Process:
    """Everything that one replica runs."""

    def __init__(self, options: AwsOptions) -> None:
        self._options = options
        self._stopping = asyncio.Event()
        self._server: Server | None = None

    async def run(self) -> int:
        """Runs until a signal or a failure; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            path = self._options.kubeconfig
            configuration = await load_configuration(str(path) if path else None)
        except Unconfigured as error:
            logger.error("can't start", error=str(error))
            return 1
        api = ApiClient(configuration)
        health = HealthServer(lambda: "", self._get_unreadiness, REGISTRY)
        try:
            metrics_port = await health.start(self._options.listen, self._options.metrics_port)
            account = self._options.build_account(configuration.host, _read_authority(configuration.ssl_ca_cert))
            return await self._serve(api, account, metrics_port)
        except (OSError, ValueError) as error:  # no port, or no certificate
            logger.error("can't start", error=str(error))
            return 1
        finally:
            await health.stop()
            await api.close()
            logger.info("stopped")

    async def _serve(self, api: ApiClient, account: Account, metrics_port: int) -> int:
        options = self._options
        keys = AccessKeys(api, options.namespace, SYSTEM_CLOCK)
        apis, commands = impersonate_with(api), ExecClient()
        sessions = Sessions(apis, execute_with(api, commands), keys.find, SYSTEM_CLOCK)
        services = build_services(apis, account, sessions)
        endpoint = Endpoint(services, options.region, keys.find, SYSTEM_CLOCK)
        server = Server(endpoint, options.api_listen, options.api_port, Channels(sessions, SYSTEM_CLOCK))
        metadata = self._build_metadata_server(api, account)
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(self._stopping.wait(), name="stop")]
        if options.tls_certificate and options.tls_key:
            certificate = FileCertificate(options.tls_certificate, options.tls_key, SYSTEM_CLOCK)
            context = certificate.context
            certificate.controller.enqueue(WHOLE)
            tasks.append(asyncio.create_task(certificate.controller.run(), name="certificate"))
        else:
            context = build_own_context((SERVER, *options.server_name), SYSTEM_CLOCK)
        try:
            await server.start(context)
            if metadata:
                await metadata.start()
            self._server = server
            logger.info("started", port=server.port, metrics_port=metrics_port, region=account.region)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._server = None
            await sessions.stop()
            await server.stop()
            if metadata:
                await metadata.stop()
            await commands.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        failed = [task for task in done if task.get_name() != "stop"]
        for task in failed:
            logger.error("a part failed", part=task.get_name(), exc_info=task.exception())
        return 1 if failed else 0

    def _build_metadata_server(self, api: ApiClient, account: Account) -> MetadataServer | None:
        port = self._options.metadata_port
        if port is None:
            return None
        records, kubelets = TaskRecords(api, SYSTEM_CLOCK), self._build_kubelets(api)
        return MetadataServer(records, account, SYSTEM_CLOCK, self._options.api_listen, port, kubelets)

    def _build_kubelets(self, api: ApiClient) -> Kubelets | None:
        options = self._options
        if not options.stats_account:
            return None
        context = build_context(api.configuration.ssl_ca_cert, is_insecure=options.kubelet_insecure_tls)
        return Kubelets(api, options.namespace, options.stats_account, context, SYSTEM_CLOCK)

    def _get_unreadiness(self) -> str:
        return "" if self._server else "it doesn't listen yet"


def _read_authority(file: str | None) -> str:
    return Path(file).read_text() if file else ""


def build_services(apis: TextApiFor, account: Account, sessions: Sessions) -> tuple[Service, ...]:
    """Everything that is answered.

    Args:
        apis: the API server in a caller's name.
        account: what stands in ARNs.
        sessions: those of ECS Exec.
    """
    return (
        ecs.build_service(apis, account, SYSTEM_CLOCK, execution.build_handlers(apis, account, SYSTEM_CLOCK, sessions)),
        eks.build_service(apis, account),
        execution.build_service(sessions),
        logs.build_service(apis, account, SYSTEM_CLOCK),
        sts.build_service(account),
    )
