"""The way to a ledger: kubectl's port-forward, and what is said where it doesn't come about."""

import stat
from pathlib import Path

import pytest

from monopod.cli.failure import ApiFailure
from monopod.cli.ledger_client.port_forward import forward_port


def a_kubectl(folder: Path, script: str) -> None:
    """A program kubectl that does this."""
    path = folder / "kubectl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_the_port_is_the_one_that_kubectl_tells(path: Path) -> None:
    a_kubectl(path, f'echo "$@" > {path}/arguments; echo "Forwarding from 127.0.0.1:40123 -> 8443"; exec sleep 60')

    with forward_port("monopod-system", "monopod-ledger-0", 8443, ["--context=c"]) as forward:
        assert forward.port == 40123
        assert forward.is_open
        arguments = (path / "arguments").read_text().split()
    process = forward._process

    assert process.poll() is not None
    assert arguments[:2] == ["--context=c", "port-forward"]
    assert "--address=127.0.0.1" in arguments
    assert arguments[-3:] == ["--namespace=monopod-system", "pod/monopod-ledger-0", ":8443"]


def test_a_port_that_is_lost_is_known(path: Path) -> None:
    a_kubectl(path, 'echo "Forwarding from 127.0.0.1:40123 -> 8443"')

    with forward_port("n", "p", 8443) as forward:
        forward._process.wait(10)
        assert not forward.is_open


def test_what_kubectl_complains_of_is_said_in_one_sentence(path: Path) -> None:
    a_kubectl(path, 'echo "error: unable to forward port because pod is not running." >&2; exit 1')

    with pytest.raises(ApiFailure) as failure, forward_port("n", "p", 8443):
        pass

    assert "to the ledger's pod n/p: unable to forward port because pod is not running" in failure.value.message


def test_without_kubectl_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ApiFailure, match="kubectl can't be run: No such file"), forward_port("n", "p", 8443):
        pass


def test_a_kubectl_that_says_nothing_is_not_waited_for_long(path: Path) -> None:
    a_kubectl(path, "exec sleep 60")

    with pytest.raises(ApiFailure, match="it hasn't begun within"), forward_port("n", "p", 8443, patience=0.2):
        pass


def test_a_kubectl_that_says_much_goes_on(path: Path) -> None:
    """It tells of every connection: with nobody to read that, it would stop when the pipe is full."""
    said = (
        'i=0; while [ $i -lt 3000 ]; do echo "Handling connection for 40123 and so on and so forth"; i=$((i+1)); done'
    )
    a_kubectl(path, f'echo "Forwarding from 127.0.0.1:40123 -> 8443"; {said}')

    with forward_port("n", "p", 8443) as forward:
        assert forward._process.wait(15) == 0
