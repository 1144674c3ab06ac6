"""LSTM encoder-decoders with attention."""
