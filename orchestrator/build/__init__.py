"""Owns how artifacts are made: recipes, tools, and what each mode of a workload needs."""
