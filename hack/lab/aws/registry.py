"""A registry on each node, for what has to pull its images: ECS's tasks, tests of warm images, and `hack/bench starts`.

It is busybox's web server with the files that a registry's clients ask for, in the node's own network, where
containerd speaks plain HTTP. What a manifest is, it tells by the end of its path, which is the tag.
"""

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image.layers import File, Tree, read_member, write_archive, write_layer
from image.small import build_busybox_tree, build_image
from lab.cluster.addons import Object, to_list
from lab.cluster.provider import Cluster
from lab.places import cache_dir
from lab.progress import step

PORT = 5005
HOST = f"127.0.0.1:{PORT}"
TAG = "1.0"
BUSYBOX = f"{HOST}/busybox:{TAG}"
WARMED = f"{HOST}/warmed:{TAG}"
"""The same under a name that nothing pulls but what is to be on nodes before pods come."""
KEPT = f"{HOST}/kept:{TAG}"
"""The same once more, for what collects images."""
NAMESPACE = "registry"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Registry:
    """One on each node; several are of different names and ports."""

    name: str
    port: int

    @property
    def host(self) -> str:
        """What the names of its images begin with."""
        return f"127.0.0.1:{self.port}"


DEFAULT = Registry("registry", PORT)


def install_registry(cluster: Cluster) -> None:
    """Installs the default one, with images that are then to be had as `BUSYBOX`, `WARMED` and `KEPT`."""
    cache = cache_dir() / "images"
    # Another image than the node's own busybox: one that was pulled once is pulled again for each pod that names it
    # otherwise (KubeletEnsureSecretPulledImages), and by its own name that one is to be had nowhere.
    config = {"Cmd": ["sh"], "Env": ["PATH=/usr/bin"], "Labels": {"of": "a registry"}}
    busybox = build_image(cache, "monopod.local/pulled-busybox:1", build_busybox_tree(cache), config)
    more = {
        name: build_image(
            cache, f"monopod.local/{name}-busybox:1", build_busybox_tree(cache), config | {"Labels": {"of": of}}
        )
        for name, of in (("warmed", "a warm node"), ("kept", "a node that collects images"))
    }
    install_registry_of(cluster, DEFAULT, {"busybox": busybox, **more})


def install_registry_of(cluster: Cluster, registry: Registry, archives: Mapping[str, Path]) -> None:
    """Installs one with these images, as `docker save` writes them, by repository; all have the tag `TAG`."""
    with step("starting a registry on the node", 3), tempfile.TemporaryDirectory() as folder:
        layer, archive = Path(folder, "layer.tar"), Path(folder, "registry.tar")
        write_layer(build_registry_tree(archives), layer)
        write_archive(archive, _name_image(registry), [layer], {"Env": ["PATH=/usr/bin"]})
        cluster.load_image_archive(archive)
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=to_list(_build_objects(registry)))
        cluster.kubectl("rollout", "status", f"daemonset/{registry.name}", "-n", NAMESPACE, "--timeout=150s")


def build_registry_tree(archives: Mapping[str, Path]) -> Tree:
    """The web server and what it serves.

    Args:
        archives: images as `docker save` writes them, by repository; all have the tag `TAG`.
    """
    tree = build_busybox_tree(cache_dir() / "images")
    suffix = TAG[TAG.rindex(".") :]
    tree["etc/httpd.conf"] = File(f"{suffix}:{_MANIFEST}\n".encode())
    for repository, archive in archives.items():
        tree |= _build_repository(f"www/v2/{repository}", archive)
    return tree


def _build_repository(folder: str, archive: Path) -> Tree:
    with tarfile.open(archive) as tar:
        (image,) = json.loads(read_member(tar, "manifest.json"))
        config, *layers = (read_member(tar, name) for name in (image["Config"], *image["Layers"]))
    described = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _describe(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [_describe(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
    }
    manifest = json.dumps(described).encode()
    tree: Tree = {f"{folder}/manifests/{name}": File(manifest) for name in (TAG, _digest(manifest))}
    return tree | {f"{folder}/blobs/{_digest(blob)}": File(blob) for blob in (config, *layers)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _describe(content: bytes, media_type: str) -> Object:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _name_image(registry: Registry) -> str:
    return f"monopod.local/{registry.name}:1"


def _build_objects(registry: Registry) -> list[Object]:
    labels = {"app": registry.name}
    container = {
        "name": "registry",
        "image": _name_image(registry),
        "imagePullPolicy": "Never",
        "command": ["httpd", "-f", "-p", registry.host, "-h", "/www", "-c", "/etc/httpd.conf"],
    }
    spec = {"hostNetwork": True, "tolerations": [{"operator": "Exists"}], "containers": [container]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": registry.name, "namespace": NAMESPACE},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        },
    ]
