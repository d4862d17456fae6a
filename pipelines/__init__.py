"""What Dagster loads: definitions, jobs, schedules, sensors and resources."""
