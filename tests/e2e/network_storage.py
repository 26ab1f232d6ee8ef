"""Volumes of a network file system on nodes that have none: what the kubelet's `mount -t nfs` does is stood in for.

Which claims a pod waits for, when it is released and that the kubelet then mounts its volume is real; only the file
system behind the mount isn't, because nodes made of one machine have no NFS server, and their kernel perhaps no client.
"""

from pathlib import Path

from lab.cluster.kind_cluster import KindProvider
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import Cluster
from lab.shell import run

Object = dict[str, object]

STAND_IN = """\
#!/bin/sh
# mount -t nfs [-o OPTIONS] SERVER:PATH TARGET mounts an empty file system; all else is the real mount's.
for target; do :; done
case " $* " in *" -t nfs "*) exec /bin/mount -t tmpfs nfs "$target" ;; esac
exec /bin/mount "$@"
"""


def stand_in_for_nfs(cluster: Cluster) -> None:
    """Puts the stand-in where the nodes' kubelets look for `mount` first."""
    if isinstance(cluster, LabCluster):
        for machine in cluster.machines():
            path = Path(machine.folder, "bin/mount")
            fresh = path.with_name("mount-new")
            fresh.write_text(STAND_IN)
            fresh.chmod(0o755)
            fresh.rename(path)  # at once: the kubelet may be about to run it
    elif isinstance(cluster, KindProvider):
        write = "cat >/usr/local/sbin/mount && chmod +x /usr/local/sbin/mount"
        for node in cluster.kubectl("get", "nodes", "-o", "name").split():
            run([cluster.engine, "exec", "-i", node.removeprefix("node/"), "sh", "-c", write], stdin=STAND_IN)


def a_volume(name: str) -> Object:
    """A PersistentVolume of a kind that Fargate mounts."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "nfs": {"server": "127.0.0.1", "path": "/"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def a_claim(name: str, namespace: str, volume: str) -> Object:
    """A claim to one volume by its name, which may not exist yet."""
    spec = {
        "resources": {"requests": {"storage": "1Gi"}},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": volume,
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
