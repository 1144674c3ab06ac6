"""OpenAI's API: embeddings, completions and chat completions."""
