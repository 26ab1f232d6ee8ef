"""What was measured of pods' starts, as a table."""

from lab.bench.starts.measure import StartFigures

HEADINGS = ["room is, and the image", "has its node, median", "Ready, median", "middle half", "longest", "as a ratio"]
Tabled = tuple[str, list[str], list[list[str]]]


def build_start_table(one: StartFigures) -> Tabled:
    """Title, headings and rows."""
    named = (
        ("free, pulled", one.neither),
        ("free, on the node (`warmImages`)", one.image),
        ("a balloon's (`capacity.warm`), pulled", one.balloon),
        ("a balloon's, on the node", one.both),
    )
    rows = [
        [
            name,
            f"{each.bound.median:.2f} s",
            f"{each.ready.median:.2f} s",
            f"{each.quartiles[0]:.2f}–{each.quartiles[1]:.2f} s",
            f"{each.ready.longest:.2f} s",
            f"{each.ready.median / one.neither.ready.median:.2f}",
        ]
        for name, each in named
    ]
    count = one.neither.ready.count
    title = f"From creating a pod to Ready, by its room and its image of {one.mebibytes} MiB ({count} of each)"
    return title, HEADINGS, rows
