"""Starts and stops the local cloud: what `local/up` and `local/down` run."""
