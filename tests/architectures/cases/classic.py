"""Networks from before transformers, and the two whose graphs are like no other's."""

from tests.architectures.cases.case import Case

CASES: tuple[Case, ...] = (
    Case("Transformer-XL", "generate", "transformer_xl:transformer_xl"),
    Case("wav2vec2", "transcribe", "wav2vec2:wav2vec2"),
    Case("LSTM with attention", "text2text", "classic:lstm_attention"),
    Case("LSTM with attention", "translate", "classic:lstm_attention"),
    Case("LSTM with attention", "denoise", "classic:lstm_attention"),
    Case("Text autoencoder", "denoise", "classic:text_autoencoder"),
    Case("Image autoencoder", "denoise_image", "classic:image_autoencoder"),
)
