"""A folder with a tiny transformer of random weights, as a recipe may name one: nothing is downloaded."""

from pathlib import Path

import pytest

WIDTH, LAYERS = 16, 2
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]


def without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that does not multiply it: all is float32, as exact as the library's."""
    monkeypatch.setattr("torch.cpu.get_capabilities", dict, raising=False)


def write_tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """BERT with two layers of 16 numbers, and a tokenizer that spells words; the test is skipped without the extra."""
    pytest.importorskip("transformers")
    import tokenizers
    import torch
    import transformers
    from tokenizers import models, normalizers, pre_tokenizers, processors

    tokenizer = tokenizers.Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(_PIECES)}, unk_token="[UNK]", max_input_chars_per_word=99)
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = transformers.BertConfig(
        vocab_size=len(_PIECES),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
