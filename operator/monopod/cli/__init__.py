"""The command line, `kubectl fargate`: what Monopod would do with a pod, and why.

kubectl runs the program `kubectl-fargate` for `kubectl fargate`. People wait for it, so nothing is imported before a
command needs it: `--help` loads click and no more.
"""


def main() -> None:
    """Runs the command that the process's arguments name."""
    from monopod.cli.commands import fargate

    fargate.main(prog_name="kubectl fargate")
