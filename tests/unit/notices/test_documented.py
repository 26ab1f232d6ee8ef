"""The page on notices: its receiver receives, and its example is what is sent."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from monopod.notices.rules.envelopes import Origin, build_cloud_event
from tests.documents import ROOT
from tests.unit.notices.builders import an_interruption

PAGE = (ROOT / "docs/how-to/notices.md").read_text()


def find_block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_documented_event_has_the_attributes_that_are_sent() -> None:
    shown = json.loads(find_block("json"))
    sent = build_cloud_event(an_interruption(), Origin("monopod", "0" * 12, "us-east-1"))
    assert {key: shown[key] for key in shown if key not in ("data", "id")} == {
        key: sent[key] for key in sent if key not in ("data", "id")
    }
    assert shown["data"] | {"podUid": ""} == sent["data"] | {"podUid": ""}


def test_the_documented_receiver_receives(tmp_path: Path) -> None:
    script = tmp_path / "receiver.py"
    told = "print(server.server_port, flush=True)\n"
    text = find_block("python").replace(
        'HTTPServer(("", 8000), Receiver)', 'server = HTTPServer(("127.0.0.1", 0), Receiver)'
    )
    script.write_text(text.replace(".serve_forever()", "\n" + told + "server.handle_request()"))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        body = json.dumps(build_cloud_event(an_interruption(), Origin("monopod", "0" * 12, "us-east-1"))).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 it is the test's own address
            assert answer.status == 204
        assert json.loads(process.stdout.read()) == json.loads(body)
