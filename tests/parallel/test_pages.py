"""Pages of the parallel run say what is open, and hold no markup that a name brings along."""

from meterhouse.parallel.page import pilot_page

HEADS = ("criterion", "met", "by")


def test_criteria_that_are_not_met_are_counted_and_marked():
    page = pilot_page(
        HEADS, [("Agree", "yes", "Ada"), ("<b>Tax</b>", "no", ""), ("Ask", "open", "")]
    )
    text = page.decode()
    assert "1 of 3 criteria are met." in text
    assert "may not be left yet" in text
    assert text.count('<td class="good">') == 1
    assert text.count('<td class="bad">') == 2
    assert "&lt;b&gt;Tax&lt;/b&gt;" in text
    assert "<b>" not in text


def test_the_old_system_may_be_left_when_all_are_met_and_there_are_any():
    assert "The old system may be left." in pilot_page(HEADS, [("Agree", "yes", "Ada")]).decode()
    assert "may not be left yet" in pilot_page(HEADS, []).decode()
