"""Progress on stderr: what is being done, how long it has taken, how long it usually takes."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator


def say(text: str) -> None:
    """Writes one line of progress."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(title: str, usually: float | None = None) -> Iterator[None]:
    """Reports a step's start and end, and on a terminal its running time in between.

    Args:
        title: What is being done, such as "building kubelet".
        usually: Seconds that it takes on two cores, shown so that a long wait explains itself.
    """
    hint = f" (usually {_duration(usually)})" if usually and usually >= 5 else ""
    started = time.monotonic()
    done = threading.Event()
    if sys.stderr.isatty():
        ticker = threading.Thread(target=_tick, args=(f"  {title}{hint}", started, done), daemon=True)
        ticker.start()
    else:
        ticker = None
        if hint:
            say(f"  {title}{hint} …")
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        done.set()
        if ticker:
            ticker.join()
            sys.stderr.write("\r\033[K")
        say(f"  {title}: {outcome} {_duration(time.monotonic() - started)}")


def _tick(text: str, started: float, done: threading.Event) -> None:
    while not done.wait(0.5):
        sys.stderr.write(f"\r\033[K{text}  {_duration(time.monotonic() - started)}")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
