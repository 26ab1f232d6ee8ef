"""What words on the command line must look like, where a wrong one would ask for something else than it says."""

import re
from collections.abc import Callable
from typing import Any, Final

import click

from monopod.api.names import SYSTEM_NAMESPACE

_OBJECT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class ObjectName(click.ParamType):  # type: ignore[type-arg]  # it has none before click 8.4
    """The name of a Kubernetes object: it becomes a part of a path, where `""`, `..` and `x/status` are others."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself. Raises click.BadParameter."""
        if not _OBJECT.fullmatch(value):
            self.fail(f"{value!r} is no name of a Kubernetes object.", param, ctx)
        return value


class FileName(click.ParamType):  # type: ignore[type-arg]  # it has none before click 8.4
    """The name of a file or folder, which an unset variable in a script isn't; `""` would be the folder itself."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself. Raises click.BadParameter."""
        if not value:
            self.fail("The name is empty.", param, ctx)
        return value


OBJECT_NAME: Final = ObjectName()
FILE_NAME: Final = FileName()


MONOPOD_NAMESPACE: Final = click.option(
    "--monopod-namespace",
    type=OBJECT_NAME,
    metavar="NAME",
    help=f"Monopod's own namespace, which no wildcard reaches; default: as the cluster says, else {SYSTEM_NAMESPACE}.",
)
SANDBOX: Final = click.option(
    "--sandbox", type=OBJECT_NAME, metavar="NAME", help="RuntimeClass of profiles that name none."
)
OUTPUT: Final = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format."
)

_CONTEXT: Final = click.option("--context", metavar="NAME", help="Context of the kubeconfig to use.")
_KUBECONFIG: Final = click.option("--kubeconfig", metavar="FILE", help="Path of the kubeconfig to use.")


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which cluster is asked."""
    return _CONTEXT(_KUBECONFIG(command))


def file_names(what: str, *, metavar: str = "FILE|DIR", required: bool = False) -> Callable[[Any], Any]:
    """The option `--filename`, which may be given more than once; `what` is its help."""
    names = ("filenames", "-f", "--filename")
    return click.option(*names, type=FILE_NAME, multiple=True, required=required, metavar=metavar, help=what)
