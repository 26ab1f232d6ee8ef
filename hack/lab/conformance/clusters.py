"""The clusters that conformance specs run on."""

import itertools
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.cluster.installation import install_chart
from lab.cluster.provider import Cluster, provide_cluster

PROFILE = {
    "apiVersion": "monopod.dev/v1beta1",
    "kind": "FargateProfile",
    "metadata": {"name": "conformance"},
    # Specs of volumes give their pods an SELinux level, whether or not nodes enforce SELinux.
    "spec": {"selectors": [{"namespace": "*"}], "seLinuxOptions": "Allow"},
}
ACTIVE = "--for=jsonpath={.status.phase}=ACTIVE"


@dataclass
class Clusters:
    """Makes clusters, one at a time: while one comes up it takes all of a machine.

    Attributes:
        archives: Images that their nodes get.
    """

    archives: Sequence[Path]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def provide(self, nodes: int, *, profile: bool) -> Iterator[Cluster]:
        """A cluster with Monopod in it for as long as the context lasts, with a profile on every namespace or none."""
        with self._lock:
            cluster = provide_cluster(f"conformance-{os.getpid()}-{next(self._numbers)}", nodes=nodes)
        try:
            with self._lock:
                self._create(cluster, profile=profile)
            yield cluster
        finally:
            cluster.delete()

    def _create(self, cluster: Cluster, *, profile: bool) -> None:
        cluster.create(tied_to_caller=True)
        for archive in self.archives:
            cluster.load_image_archive(archive)
        install_chart(cluster)
        if profile:
            cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(PROFILE))
            cluster.kubectl("wait", ACTIVE, "fargateprofile/conformance", "--timeout=120s")
