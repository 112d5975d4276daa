"""What every card says: limits, known biases, citation."""

from __future__ import annotations

from typing import Final

from vaemo_clips.hub.citation import BIBTEX

LIMITS: Final = """\
- **Not ground truth.** These captions are machine-written and may be wrong, incomplete or made up. They
  say how a clip may look and sound, not what a person felt. Do not score people or models by them as if
  they were human labels.
- **Inference from appearance.** Affect is inferred from faces, bodies and voices. Expression differs
  between persons, cultures, situations and disabilities, and such inferences carry the biases of the
  annotator. They are unfit for decisions about individuals (employment, education, policing, health,
  credit); in some places, emotion inference at work or in schools is forbidden by law.
- **No identity.** The captions are meant to name nobody; do not use them to identify people."""

NO_MEDIA: Final = """\
- **No media.** This repository holds text and numbers only. The clips stay under the licences and the
  consent of their own collections; obtain them there."""

MEDIA_ALONG: Final = """\
- **Faces and voices.** The media files show people. Their licences allow handing them on; they say nothing
  about what the people in them agreed to. Take a file out when someone in it asks for that."""

BIASES: Final = """\
- **Language and culture.** The captions are English, whatever is spoken in the clips. The words for affect and
  the norms of showing it are those of the models' mostly English and Western training texts.
- **People.** Nobody measured how captions differ by age, gender, skin colour, accent, or conditions that change
  face, body or voice. Such gaps are unknown here, not absent.
- **The model's own.** Multimodal models over-read faces, invent sound for silent clips, prefer common emotions and
  fluent, similar sentences, and state guesses as firmly as what is plain to see. `confidence` is their own word.
- **Acted speech.** Emotion in acted clips is stronger, purer and more alike than in everyday life; captions of such
  clips teach actors' conventions.
- **The checks.** They find what they look for: word lists, measured cues and thresholds written by hand. Cues are
  missing for turned or hidden faces and noisy sound, so claims about such clips pass unchecked, and a lexicon
  reads only the phrasings that it knows. Passing is not proof."""

CITATION: Final = f"""\
The captions serve the method of VAEmo (Cheng et al., ACM MM 2025,
[arXiv 2505.02331](https://arxiv.org/abs/2505.02331)). The toolkit that made them is an independent
implementation: the authors of VAEmo released no code and no prompt, and took no part in this dataset.

{BIBTEX}"""
