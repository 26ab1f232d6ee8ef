"""`python3 -m gvisor_node agent|remove`: what the chart's DaemonSet runs, and its Job before an uninstallation.

Settings come as one JSON document in $GVISOR_NODE, which the chart makes of its values.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from gvisor_node.agent import Agent, say
from gvisor_node.host import Host
from gvisor_node.installation import Installation
from gvisor_node.kubernetes import Api, Node, Refused
from gvisor_node.removal import Removal, StillUsed

PROGRAMS = Path("/opt/gvisor-node/bin")
HOST = Path("/host")
READY = Path("/run/gvisor-node/ready")


def build_agent(settings: dict[str, Any], api: Api, node: str, ending: threading.Event) -> Agent:
    """The agent as the settings want it."""
    containerd = settings["containerd"]
    installation = Installation(
        Host(HOST),
        PROGRAMS,
        settings["handler"],
        settings["installDir"],
        containerd["config"],
        settings["runscConfig"],
    )
    return Agent(
        installation,
        Node(api, node, settings["node"]["label"], settings["node"]["startupTaint"]),
        api,
        settings["daemonSet"],
        READY,
        ending,
        tuple(containerd["units"]),
        containerd["restart"] == "systemd",
    )


def main(arguments: list[str]) -> int:
    """Runs one of the two.

    Returns:
        0; 1 if the runtime can't be removed; 2 with wrong arguments.
    """
    settings, api = json.loads(os.environ["GVISOR_NODE"]), Api.from_pod()
    if arguments == ["agent"]:
        ending = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ending.set())
        build_agent(settings, api, os.environ["NODE_NAME"], ending).run()
        return 0
    if arguments == ["remove"]:
        try:
            Removal(api, settings["daemonSet"], settings["runtimeClass"]).run()
        except (StillUsed, Refused) as problem:
            say(f"error: {problem}")
            return 1
        return 0
    print("usage: python3 -m gvisor_node agent|remove", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
