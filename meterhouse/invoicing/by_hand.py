"""Roles of lines that people make: no contract makes them due, so no run compares them."""

CREDIT_NOTE, ONE_OFF, ADJUSTMENT = "credit_note", "one_off", "adjustment"
# As SQL lists it.
BY_HAND = (CREDIT_NOTE, ONE_OFF, ADJUSTMENT)
