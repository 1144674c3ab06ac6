"""From logits to the next token: penalties, constraints, truncation of the distribution, and the random choice."""
