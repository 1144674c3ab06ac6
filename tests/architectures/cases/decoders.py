"""Decoders."""

from tests.architectures.cases.case import Case

_ARCHITECTURES = {
    "OpenAI-GPT": "openai_gpt",
    "GPT-2": "gpt2",
    "CTRL": "ctrl",
    "Llama": "llama",
    "Mistral": "mistral",
    "Qwen2": "qwen2",
    "Qwen3": "qwen3",
    "Gemma": "gemma",
    "Gemma 2": "gemma2",
    "Gemma 3": "gemma3",
    "Phi-3": "phi3",
    "OPT": "opt",
    "GPT-NeoX": "gpt_neox",
    "BLOOM": "bloom",
}
CASES: tuple[Case, ...] = (
    *(Case(name, "generate", f"decoders:{build}", slots=True) for name, build in _ARCHITECTURES.items()),
    *(Case(name, "generate", f"decoders:{build}", {"cache": "concat"}) for name, build in _ARCHITECTURES.items()),
    Case("Transformer-XL", "generate", "transformer_xl:transformer_xl"),
)
