"""Lists pods and watches them, by the ledger's own client, and keeps of each its version: what any such program costs.

python -m lab.bench.ledger.bare_watch KUBECONFIG FILE     writes to the file how many pods the list had
"""

import asyncio
import contextlib
import sys
from pathlib import Path

from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.objects.resources import PODS
from monopod.ledger.recorder.listing import OUR_PODS, read_version


async def watch(kubeconfig: str, listed: Path) -> None:
    """Watches until the process ends."""
    api = ApiClient(await load_configuration(kubeconfig))
    known: dict[str, int] = {}
    version = 0
    async for page in api.read_pages(PODS.list_path(), OUR_PODS, is_snapshot=True):
        version = version or read_version(page)
        known.update({item["metadata"]["uid"]: read_version(item) for item in page.get("items") or ()})
    await asyncio.to_thread(listed.write_text, str(len(known)))
    while True:
        async with contextlib.aclosing(api.watch(PODS.list_path(), str(version), OUR_PODS)) as events:
            async for event in events:
                version = max(version, read_version(event.object))
                if event.type == "DELETED":
                    known.pop(event.object["metadata"]["uid"], None)
                elif event.type != "BOOKMARK":
                    known[event.object["metadata"]["uid"]] = version


if __name__ == "__main__":
    asyncio.run(watch(sys.argv[1], Path(sys.argv[2])))
