import pytest

from lab.bench.figures import sum_up


@pytest.mark.parametrize(
    ("seconds", "median", "p99"),
    [
        pytest.param([2.0], 2.0, 2.0, id="one"),
        pytest.param([3.0, 1.0], 2.0, 2.98, id="two, out of order"),
        pytest.param([float(n) for n in range(101)], 50.0, 99.0, id="a hundred and one"),
    ],
)
def test_median_and_p99_are_linear_between_neighbours(seconds: list[float], median: float, p99: float) -> None:
    figures = sum_up(seconds)
    assert (figures.count, figures.longest) == (len(seconds), max(seconds))
    assert figures.median == pytest.approx(median)
    assert figures.p99 == pytest.approx(p99)
