"""Frozen values of the farm and its errors; imports the standard library and ``protos`` only."""
