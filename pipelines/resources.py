"""The resources that the assets ask for by name."""

from assets.resources import BillingRun, Home

home = Home()
RESOURCES = {"home": home, "billing": BillingRun(path=home.path)}
