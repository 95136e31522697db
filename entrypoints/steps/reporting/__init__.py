"""What a step tells people: tables, model cards, reports."""
