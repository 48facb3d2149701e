"""gRPC: what serves agents and the CLI, on a thread of its own; asyncio lives here alone."""
