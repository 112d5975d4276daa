"""The unified encoder, its decoder and its processor."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForPreTraining, AutoProcessor

from vaemo_train.models.alignment import VAEmoForCaptionAlignment
from vaemo_train.models.alignment_output import ClipEmbeds, VAEmoAlignmentOutput
from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.models.encoder import VAEmoModel, VAEmoOutput
from vaemo_train.models.pretraining import Reconstruction, VAEmoForPreTraining, VAEmoPreTrainingOutput
from vaemo_train.models.processor import VAEmoProcessor

AutoConfig.register("vaemo", VAEmoConfig, exist_ok=True)
AutoModel.register(VAEmoConfig, VAEmoModel, exist_ok=True)
AutoModelForPreTraining.register(VAEmoConfig, VAEmoForPreTraining, exist_ok=True)
AutoFeatureExtractor.register(VAEmoConfig, VAEmoProcessor, exist_ok=True)
AutoProcessor.register(VAEmoConfig, VAEmoProcessor, exist_ok=True)

__all__ = [
    "ALIGNMENT_PATHS",
    "ClipEmbeds",
    "Reconstruction",
    "VAEmoAlignmentOutput",
    "VAEmoConfig",
    "VAEmoForCaptionAlignment",
    "VAEmoForPreTraining",
    "VAEmoModel",
    "VAEmoOutput",
    "VAEmoPreTrainingOutput",
    "VAEmoProcessor",
]
