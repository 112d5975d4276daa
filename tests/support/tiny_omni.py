"""Write a tiny, randomly initialised Qwen2.5-Omni thinker (about 0.6 M parameters).

vLLM serves it on a CPU and it takes text, image, video and audio like the real model, so the
whole annotation path can be exercised against a real server. Its replies are gibberish: with a
JSON schema they are JSON of random strings.

    .venv-vllm/bin/python tests/support/tiny_omni.py OUT_DIR
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Qwen2_5OmniConfig,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2TokenizerFast,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    WhisperFeatureExtractor,
)

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|AUDIO|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|vision_pad|>",
    "<|IMAGE|>",
    "<|VIDEO|>",
]
CORPUS = ["the speaker smiles with raised cheeks; the voice is bright, its pitch rises: joy, anger, fear"]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] in ['image', 'image_url'] %}<|vision_bos|><|IMAGE|><|vision_eos|>"
    "{% elif c['type'] in ['audio', 'audio_url', 'input_audio'] %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% elif c['type'] in ['video', 'video_url'] %}<|vision_bos|><|VIDEO|><|vision_eos|>"
    "{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer() -> Qwen2TokenizerFast:
    """Return a byte-level tokenizer of about 600 tokens with the model's special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(CORPUS * 50, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet))
    bpe.add_special_tokens(SPECIAL)
    return Qwen2TokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        model_max_length=32768,
        chat_template=CHAT_TEMPLATE,
        extra_special_tokens={
            "image_token": "<|IMAGE|>",
            "audio_token": "<|AUDIO|>",
            "video_token": "<|VIDEO|>",
            "vision_bos_token": "<|vision_bos|>",
            "vision_eos_token": "<|vision_eos|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        },
    )


def main(out: Path) -> None:
    """Write configuration, weights and processor to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]}
    config = Qwen2_5OmniThinkerConfig(
        # vLLM's CPU attention needs a head size of 32 or more
        text_config=dict(  # noqa: C408
            vocab_size=768,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=32768,
            rope_parameters=rope,
            rope_scaling=rope,
            bos_token_id=ids["<|im_start|>"],
            eos_token_id=ids["<|im_end|>"],
            pad_token_id=ids["<|endoftext|>"],
        ),
        audio_config=dict(  # noqa: C408
            num_mel_bins=128,
            encoder_layers=1,
            encoder_attention_heads=2,
            encoder_ffn_dim=64,
            d_model=32,
            output_dim=128,
            n_window=100,
            max_source_positions=1500,
        ),
        vision_config=dict(  # noqa: C408
            depth=2,
            hidden_size=32,
            intermediate_size=64,
            num_heads=2,
            out_hidden_size=128,
            patch_size=14,
            spatial_merge_size=2,
            temporal_patch_size=2,
            window_size=112,
            fullatt_block_indexes=[1],
            tokens_per_second=25,
        ),
        audio_token_index=ids["<|AUDIO|>"],
        image_token_index=ids["<|IMAGE|>"],
        video_token_index=ids["<|VIDEO|>"],
        audio_start_token_id=ids["<|audio_bos|>"],
        audio_end_token_id=ids["<|audio_eos|>"],
        vision_start_token_id=ids["<|vision_bos|>"],
        vision_end_token_id=ids["<|vision_eos|>"],
        user_token_id=ids["<|im_start|>"],
        position_id_per_seconds=25,
        seconds_per_chunk=2,
        pad_token_id=ids["<|endoftext|>"],
    )
    torch.manual_seed(0)
    model = Qwen2_5OmniThinkerForConditionalGeneration(config).to(torch.bfloat16)
    weights = {f"thinker.{name}": value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    full = Qwen2_5OmniConfig(thinker_config=config.to_dict(), enable_audio_output=False).to_dict()
    full |= {"architectures": ["Qwen2_5OmniForConditionalGeneration"], "dtype": "bfloat16"}
    (out / "config.json").write_text(json.dumps(full, indent=1, default=str))
    Qwen2_5OmniProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=112 * 112),
        video_processor=Qwen2VLVideoProcessor(min_pixels=56 * 56, max_pixels=112 * 112),
        feature_extractor=WhisperFeatureExtractor(
            feature_size=128, n_fft=400, sampling_rate=16000, hop_length=160, chunk_length=300
        ),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
