"""Networks from before transformers."""

from tests.architectures.cases.case import Case

CASES: tuple[Case, ...] = (
    Case("LSTM with attention", "text2text", "classic:lstm_attention"),
    Case("LSTM with attention", "translate", "classic:lstm_attention"),
    Case("LSTM with attention", "denoise", "classic:lstm_attention"),
    Case("Text autoencoder", "denoise", "classic:text_autoencoder"),
    Case("Image autoencoder", "denoise-image", "classic:image_autoencoder"),
)
