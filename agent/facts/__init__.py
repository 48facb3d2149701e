"""Probes of a device's lasting properties."""
