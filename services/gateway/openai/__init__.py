"""OpenAI's API over the embed and generate tasks, so that its client libraries work unchanged."""
