"""Schedules: the instants of a cron in a time zone, files for schedulers, and what is due now.

Whatever triggers it, the id of a scheduled run is a function of job and instant
(`submitter.submission.run_ids`). So a trigger that comes twice, late or by mistake is harmless, and
everything here may err on the side of asking once too often.
"""
