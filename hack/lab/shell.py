"""Runs commands of the local cluster, with errors that show what the command said."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class CommandFailed(RuntimeError):
    """A command exited with a status other than zero; the message holds the end of its output."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    check: bool = True,
    timeout: float | None = 60,
) -> subprocess.CompletedProcess[str]:
    """Runs a command and returns it with its output as text.

    Args:
        argv: The command and its arguments.
        cwd: Folder to run in.
        env: The whole environment; the caller's own when not given.
        stdin: What the command reads.
        check: Whether a status other than zero is an error.
        timeout: Seconds after which the command is killed.

    Raises:
        CommandFailed: If it exits non-zero and `check` is set, or doesn't end in time.
    """
    words = [str(word) for word in argv]
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            input=data,
            capture_output=True,
            timeout=timeout,
            check=False,
            stdin=None if data is not None else subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as expired:
        raise CommandFailed(f"{' '.join(words)}: not done after {expired.timeout:.0f} s") from None
    result = subprocess.CompletedProcess(
        words, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode:
        said = (result.stderr.strip() or result.stdout.strip())[-4000:]
        raise CommandFailed(f"{' '.join(words)}: exit status {result.returncode}\n{said}")
    return result


def run_kubectl(program: Path, kubeconfig: Path, *args: str, stdin: str | None = None) -> str:
    """Runs kubectl on a cluster and returns what it prints.

    Raises:
        CommandFailed: If it exits non-zero.
    """
    # A cache of its own: another cluster may have had this address before, with other kinds.
    cache = f"--cache-dir={kubeconfig.parent}/kubectl-cache"
    return run([program, "--kubeconfig", kubeconfig, cache, *args], stdin=stdin, timeout=180).stdout
