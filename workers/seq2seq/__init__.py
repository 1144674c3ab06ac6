"""The seq2seq worker: models that read a text and write another."""
