"""The tables of a manifest for each task and each kind of graph, in the order in which a manifest has them."""

HEAD = """\
name = "mini"
family = "encoder"
task = "{task}"
graph = "{graph}"
source = "tests"
revision = "1"
licence = "mit"

[files]

[limits]
max_tokens = 8
"""
IMAGE = "[image]\nresize = [\n    8,\n    8,\n]\nmean = [\n    0.5,\n]\nstd = [\n    0.5,\n]\n"
AUDIO = '[audio]\nsampling_rate = 16000\nfeatures = "waveform"\n'
EMBED = '[embed]\npooling = "none"\ndimensions = 4\n'
CLASSIFY = '[classify]\nlabels = [\n    "a",\n]\nfunction_to_apply = "sigmoid"\n'
GENERATION = "[generation]\neos_token_ids = [\n    1,\n]\ntemperature = 1.0\n"
EXAMPLES: list[tuple[str, str, tuple[str, ...]]] = [
    ("embed", "text-encoder", (EMBED,)),
    ("classify", "text-encoder", (CLASSIFY,)),
    ("token-classify", "text-encoder", ('[token_classify]\nlabels = [\n    "O",\n    "B-PER",\n]\n',)),
    ("question-answer", "text-encoder", ()),
    ("fill-mask", "text-encoder", ('[fill_mask]\nmask_token = "[MASK]"\nmask_token_id = 3\n',)),
    ("embed-image", "image-encoder", (EMBED, IMAGE)),
    ("classify-image", "image-encoder", (CLASSIFY, IMAGE)),
    ("zero-shot-image", "image-text", (IMAGE,)),
    ("denoise-image", "image-autoencoder", (IMAGE,)),
    ("generate", "decoder-slots", ('[decoder]\nvocabulary = 9\nattention = "group_query"\n', GENERATION)),
    ("generate", "decoder-concat", ("[decoder]\nvocabulary = 9\n", GENERATION)),
    ("generate", "decoder-memory", ("[decoder]\nvocabulary = 9\nmemory = 12\n", GENERATION)),
    (
        "translate",
        "encoder-decoder-slots",
        (
            '[decoder]\nvocabulary = 9\nattention = "group_query"\ncross_cache = true\n',
            GENERATION,
            '[translate]\nreads = [\n    "en",\n]\n\n[translate.languages]\nde = 7\n',
        ),
    ),
    ("translate", "recurrent", (GENERATION,)),
    ("summarize", "encoder-decoder", ("[decoder]\nvocabulary = 9\n", GENERATION)),
    ("text2text", "recurrent", (GENERATION,)),
    ("denoise", "text-autoencoder", ()),
    (
        "transcribe",
        "ctc",
        (AUDIO, '[ctc]\nlabels = [\n    "_",\n]\nblank_token_id = 0\nsamples_per_label = 320\n'),
    ),
    (
        "transcribe",
        "encoder-decoder",
        (
            AUDIO,
            "[decoder]\nvocabulary = 9\ncross_cache = true\n",
            GENERATION,
            "[transcribe]\nno_timestamps_token_id = 6\n",
        ),
    ),
    ("caption", "encoder-decoder", (IMAGE, "[decoder]\nvocabulary = 9\n", GENERATION)),
]
"""Task, graph, and the tables in the order in which they are written."""


def manifest_text(task: str, graph: str, tables: tuple[str, ...]) -> str:
    """Return the text of a manifest."""
    return "\n".join([HEAD.format(task=task, graph=graph), *tables])
