"""The seq2seq worker: encoder-decoders, which read a text and generate another one."""
