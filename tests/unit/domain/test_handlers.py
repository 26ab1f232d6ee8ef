import pytest

from monopod.domain.handlers import is_sandbox


@pytest.mark.parametrize("handler", ["kata", "kata-qemu", "runsc", "gvisor", "krun", "youkai", "runcx", ""])
def test_what_is_not_known_to_be_none_counts_as_a_sandbox(handler: str) -> None:
    assert is_sandbox(handler, ())


@pytest.mark.parametrize("handler", ["runc", "runc-v2", "crun", "crun-wasm", "youki", "nvidia", "nvidia-cdi"])
def test_a_handler_that_shares_the_nodes_kernel_is_no_sandbox(handler: str) -> None:
    assert not is_sandbox(handler, ())


def test_where_handlers_are_named_only_these_count() -> None:
    assert is_sandbox("runc", ("runc", "runsc"))
    assert not is_sandbox("kata", ("runc", "runsc"))
