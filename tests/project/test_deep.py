"""`make test-deep` runs every test that has a longer form."""

import re

from tests.project.repository import ROOT, list_files

VARIABLE = re.compile(r'environ\.get\("(MONOPOD_(?!SEED)\w+)"\)')
"""How tests ask for their depth; a seed only repeats a run."""


def test_whatever_has_a_longer_form_is_run_at_its_full_length() -> None:
    recipe = re.search(r"^test-deep:.*\n(?:\t.*\n)+", (ROOT / "Makefile").read_text(), re.M)
    assert recipe
    asked = {
        (str(path), variable)
        for path in list_files("tests/*.py")
        for variable in VARIABLE.findall((ROOT / path).read_text())
    }
    assert len(asked) > 3
    for path, variable in asked:
        assert f"{variable}=" in recipe[0], f"{path} asks for {variable}, which test-deep doesn't set"
        # The e2e tier sets itself up, and its tests are chosen by name.
        assert path in recipe[0] or path.startswith("tests/e2e/"), f"test-deep doesn't run {path}"
