"""The decoding loop: many texts that are written side by side, a token each at every step."""
