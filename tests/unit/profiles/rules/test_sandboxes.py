import pytest

from monopod.profiles.rules.sandboxes import (
    NO_SANDBOX,
    choose_sandbox,
    describe_no_sandbox,
    is_sandbox,
    rank_sandboxes,
)


@pytest.mark.parametrize("handler", ["kata", "kata-qemu", "runsc", "gvisor", "krun", "youkai", "runcx", ""])
def test_what_is_not_known_to_be_none_counts_as_a_sandbox(handler: str) -> None:
    assert is_sandbox(handler, ())


@pytest.mark.parametrize("handler", ["runc", "runc-v2", "crun", "crun-wasm", "youki", "nvidia", "nvidia-cdi"])
def test_a_handler_that_shares_the_nodes_kernel_is_no_sandbox(handler: str) -> None:
    assert not is_sandbox(handler, ())


def test_where_handlers_are_named_only_these_count() -> None:
    assert is_sandbox("runc", ("runc", "runsc"))
    assert not is_sandbox("kata", ("runc", "runsc"))


KATA = {f"kata-{shim}": f"kata-{shim}" for shim in ("qemu", "clh", "qemu-runtime-rs", "fc", "dragonball")}
CHOSEN = [
    pytest.param({}, NO_SANDBOX, id="nothing"),
    pytest.param({"runc": "runc", "gpu": "nvidia", "wasm": "spin"}, NO_SANDBOX, id="nothing that is known"),
    pytest.param({"gvisor": "runsc"}, "gvisor", id="gVisor by hand"),
    pytest.param({"gvisor": "gvisor"}, "gvisor", id="GKE Sandbox"),
    pytest.param({"kata-vm-isolation": "kata", "runc": "runc"}, "kata-vm-isolation", id="AKS"),
    pytest.param({"kata-cc-isolation": "kata-cc", "gvisor": "runsc"}, "gvisor", id="AKS's confidential pods"),
    pytest.param(KATA, "kata-qemu", id="kata-deploy"),
    pytest.param({**KATA, "gvisor": "runsc"}, "kata-qemu", id="kata-deploy before gVisor"),
    pytest.param({**KATA, "kata": "kata-clh"}, "kata", id="kata-deploy with createDefault"),
    pytest.param({**KATA, "kata": "runc"}, "kata-qemu", id="a class named kata that is none"),
    pytest.param({"b": "kata-fc", "a": "kata-fc", "c": "kata-dragonball"}, "c", id="by handler, then by name"),
    pytest.param(
        {
            f"kata-{shim}": f"kata-{shim}"
            for shim in (
                *("qemu-debug", "clh-devkit", "qemu-coco-dev", "qemu-tdx", "qemu-snp-runtime-rs", "qemu-sev"),
                *("qemu-se", "qemu-cca", "qemu-nvidia-gpu", "qemu-nvidia-cpu", "remote"),
            )
        },
        NO_SANDBOX,
        id="only special ones",
    ),
]


@pytest.mark.parametrize(("classes", "expected"), CHOSEN)
def test_the_best_class_of_the_cluster_is_taken(classes: dict[str, str], expected: str) -> None:
    assert choose_sandbox(classes) == expected
    assert choose_sandbox(dict(reversed(classes.items()))) == expected


def test_the_class_that_a_profile_has_stays_while_it_exists() -> None:
    assert choose_sandbox({**KATA, "gvisor": "runsc"}, current="gvisor") == "gvisor"
    assert choose_sandbox({**KATA, "kata-tdx": "kata-qemu-tdx"}, current="kata-tdx") == "kata-tdx"
    assert choose_sandbox(KATA, current="gvisor") == "kata-qemu"
    assert choose_sandbox({**KATA, "gvisor": "runc"}, current="gvisor") == "kata-qemu"
    assert choose_sandbox({**KATA, "gvisor": "runsc"}, ("kata-clh",), current="gvisor") == "kata-clh"


def test_handlers_that_an_administrator_allows_are_taken_too() -> None:
    assert choose_sandbox({"own": "firecracker"}) == NO_SANDBOX
    assert choose_sandbox({"own": "firecracker"}, ("firecracker",)) == "own"
    assert rank_sandboxes({**KATA, "own": "firecracker"}, ("firecracker", "kata-clh")) == ("kata-clh", "own")


def test_what_there_is_instead_of_a_sandbox_is_named() -> None:
    assert describe_no_sandbox(["runc", "nvidia"]) == (
        "no RuntimeClass is Kata's or gVisor's (there is only nvidia, runc), so matching pods are refused"
    )
    assert "(there is none at all)" in describe_no_sandbox([])
