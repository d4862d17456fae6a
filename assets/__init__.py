"""Dagster's assets by subject; each calls one step of a run."""

import warnings

# One run for a range of days is a beta of Dagster's; its minor version is pinned, tests cover it.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
