"""A profile is taken back while its namespaces are being looked through."""

from tests.unit.rescheduling.test_controller import Setting, an_old_pod


async def test_a_scan_that_ends_while_the_profile_is_taken_back_moves_nothing() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update()
    setting.rescheduler.limit(["other"])  # nothing has been handed over yet
    await setting.run()
    assert setting.wanted == []
    setting.update()
    await setting.run()
    assert setting.wanted == ["a"]
