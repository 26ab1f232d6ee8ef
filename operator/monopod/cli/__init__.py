"""The command line, `kubectl fargate`: what Monopod would do with a pod, and why.

kubectl runs the program `kubectl-fargate` for `kubectl fargate`. People wait for it, so nothing is imported before a
command needs it: `--help` loads click and no more.
"""

import io
import sys


def main() -> None:
    """Runs the command that the process's arguments name."""
    from monopod.cli.commands import fargate
    from monopod.cli.failure import UNWRITABLE, drop_output

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's encoding lacks mustn't cost the rest of the answer.
            stream.reconfigure(errors="backslashreplace")
    try:
        fargate.main(prog_name="kubectl fargate")
    except OSError as problem:
        # Files and connections have messages of their own; this is stdout, on a full disk for instance.
        print(f"Error: The output can't be written: {problem.strerror or problem}.", file=sys.stderr)
        drop_output()
        sys.exit(UNWRITABLE)
