"""Reads what a person writes or brings, files and programs; each complaint names its place."""
