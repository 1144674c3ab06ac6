"""Encoder-decoder models: translation, summaries, speech, captions."""
