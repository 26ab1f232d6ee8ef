"""What was measured of many pods from nothing, as a table."""

from lab.bench.scale.measure import ScaleFigures

HEADINGS = ["", "without Monopod", "with Monopod", "as a ratio"]
Tabled = tuple[str, list[str], list[list[str]]]


def build_scale_table(one: ScaleFigures) -> Tabled:
    """Title, headings and rows."""
    compared = (
        ("until half are Running", one.plain.half, one.monopod.half),
        ("until all are Running", one.plain.all, one.monopod.all),
    )
    rows = [[name, f"{plain:.0f} s", f"{with_it:.0f} s", f"{with_it / plain:.2f}"] for name, plain, with_it in compared]
    rows.append(["nodes that Karpenter made", str(one.plain.nodes), str(one.monopod.nodes), ""])
    servers = [one.plain.server, one.monopod.server]
    cells = [f"{seconds * 1000:.1f} ms" for seconds in servers]
    rows.append(["the API server's CPU time, for each pod", *cells, f"{servers[1] / servers[0]:.2f}"])
    rows.append(["the operator's CPU time, for each pod", "", f"{one.cpu * 1000:.1f} ms", ""])
    return f"{one.pods:,} pods from nothing", HEADINGS, rows
