"""Care for a farm: what is wrong with it, what may go, and copies of all of it."""
