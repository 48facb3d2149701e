"""The numbers: statistics, validity, and what is told from them."""
