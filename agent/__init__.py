"""The program on a device: dials out, runs one attempt at a time, keeps its promises on disk."""

#: Told to the orchestrator at every call.
VERSION = "0.1.0"
