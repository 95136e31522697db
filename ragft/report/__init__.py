"""The report of a comparison: one HTML file that can be forwarded, and its figures."""
