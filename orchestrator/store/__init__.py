"""The farm's memory: one contract, and its implementation in SQL."""
