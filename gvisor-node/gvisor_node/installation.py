"""Puts the runtime on a node and takes it off again. Knows no Kubernetes, and restarts nothing.

    DIR/HANDLER/DIGEST/{runsc, containerd-shim-runsc-v1, runsc.toml}     never changed once it is there
    FOLDER/gvisor-node-HANDLER.toml                                      containerd's drop-in, which names one DIGEST
    DIR/HANDLER/loaded                                                   the drop-in that containerd was restarted for

A digest is of the programs and the settings. Sandboxes that run keep the programs that they were started with, of
which nothing is removed before the last of them has ended.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gvisor_node.containerd import (
    DISTRIBUTIONS,
    Distribution,
    Unsupported,
    has_runtime,
    parse,
    plan_edit,
    render_drop_in,
    render_shim_settings,
    restore_main,
)
from gvisor_node.host import Host

PROGRAMS = ("runsc", "containerd-shim-runsc-v1")
_PREFIX = "gvisor-node-"


@dataclass(frozen=True)
class Saved:
    """Texts of the node's files before a change, by path; None: the file wasn't there."""

    files: Mapping[str, str | None]


@dataclass(frozen=True)
class Installation:
    """One runtime on one node.

    Attributes:
        programs: the folder here that holds runsc and its shim.
        folder: the node's folder for them, DIR.
        config: containerd's main file; "" finds it.
        flags: runsc's, without their dashes.
    """

    host: Host
    programs: Path
    handler: str = "runsc"
    folder: str = "/opt/gvisor-node"
    config: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)

    def find_distribution(self) -> Distribution:
        """Whose containerd runs on the node."""
        if self.config:
            known = next((each for each in DISTRIBUTIONS if each.config == self.config), None)
            return known or Distribution(self.config, ("containerd",))
        found = (each for each in DISTRIBUTIONS if self.host.read(each.config) is not None)
        return next(found, DISTRIBUTIONS[-1])

    def install(self) -> Saved:
        """Writes what is missing or differs, and returns what stood there before.

        Raises:
            Unsupported: the node's containerd can't be given the runtime. Nothing is written then.
        """
        distribution = self.find_distribution()
        main = self.host.read(distribution.config)
        edit = plan_edit(distribution, main)
        drop_in = f"{edit.folder}/{_PREFIX}{self.handler}.toml"
        self._refuse_another(distribution.config, edit.folder, drop_in)
        contents = {name: (self.programs / name).read_bytes() for name in PROGRAMS}
        folder = f"{self._home}/{self._digest(contents)}"
        files = {f"{folder}/{name}": content for name, content in contents.items()}
        for path, content in files.items():
            if not self.host.locate(path).exists():
                self.host.write(path, content, 0o755)
        self.host.write(f"{folder}/runsc.toml", render_shim_settings(folder, self.flags).encode())
        wanted = {drop_in: render_drop_in(edit.version, self.handler, folder)}
        if edit.main is not None:
            wanted[distribution.config] = edit.main
        saved = Saved({path: self.host.read(path) for path in wanted})
        for path, text in wanted.items():
            if saved.files[path] != text:
                self.host.write(path, text.encode())
        return saved

    def undo(self, saved: Saved) -> None:
        """Puts back what `install` replaced in containerd's configuration."""
        for path, text in saved.files.items():
            if text is None:
                self.host.remove(path)
            else:
                self.host.write(path, text.encode())

    @property
    def is_loaded(self) -> bool:
        """Whether containerd was restarted for the drop-in as it is."""
        return self._read_drop_in() is not None and self.host.read(self._loaded) == self._read_drop_in()

    def note_loaded(self) -> None:
        """Notes that containerd was restarted, and removes older programs that nothing runs any more."""
        drop_in = self._read_drop_in() or ""
        self.host.write(self._loaded, drop_in.encode())
        for name in self.host.list_names(self._home):
            folder = f"{self._home}/{name}"
            if name != "loaded" and folder not in drop_in and not self._runs(folder):
                self.host.remove_folder(folder)

    def has_sandboxes(self) -> bool:
        """Whether sandboxes of this runtime run on the node."""
        return any(self._runs(f"{self._home}/{name}") for name in self.host.list_names(self._home))

    def uninstall(self) -> None:
        """Removes everything again; containerd forgets the runtime when it is restarted."""
        self.host.remove(self._drop_in)
        distribution = self.find_distribution()
        folder = self._drop_in.rpartition("/")[0]
        main = self.host.read(distribution.config)
        if main is not None and not self._list_drop_ins(folder):
            restored = restore_main(main)
            if restored is None:
                self.host.remove(distribution.config)
            elif restored != main:
                self.host.write(distribution.config, restored.encode())
            if restored != main:
                self.host.remove_empty(folder)
        self.host.remove_folder(self._home)
        self.host.remove_empty(self.folder)

    @property
    def _home(self) -> str:
        return f"{self.folder}/{self.handler}"

    @property
    def _loaded(self) -> str:
        return f"{self._home}/loaded"

    @property
    def _drop_in(self) -> str:
        distribution = self.find_distribution()
        edit = plan_edit(distribution, self.host.read(distribution.config))
        return f"{edit.folder}/{_PREFIX}{self.handler}.toml"

    def _read_drop_in(self) -> str | None:
        return self.host.read(self._drop_in)

    def _list_drop_ins(self, folder: str) -> list[str]:
        return [name for name in self.host.list_names(folder) if name.startswith(_PREFIX)]

    def _digest(self, contents: Mapping[str, bytes]) -> str:
        parts = [*contents.values(), render_shim_settings("", self.flags).encode()]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:12]

    def _runs(self, folder: str) -> bool:
        return self.host.is_running(f"{folder}/{name}" for name in PROGRAMS)

    def _refuse_another(self, main: str, folder: str, own: str) -> None:
        """Somebody's own runtime of this name would be mixed with ours, table by table."""
        others = [f"{folder}/{name}" for name in self.host.list_names(folder) if name.endswith(".toml")]
        for path in (main, *others):
            if path != own and has_runtime(parse(self.host.read(path) or "", path), self.handler):
                raise Unsupported(f"{path} has a runtime {self.handler} already: choose another handler, or remove it.")
