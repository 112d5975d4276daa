"""The paper that all cards cite."""

from __future__ import annotations

from typing import Final

BIBTEX: Final = """\
```bibtex
@inproceedings{cheng2025vaemo,
  title     = {{VAEmo}: Efficient Representation Learning for Visual-Audio Emotion with Knowledge Injection},
  author    = {Cheng, Hao and Zhao, Zhiwei and He, Yichao and Hu, Zhenzhen and Li, Jia and Wang, Meng
               and Hong, Richang},
  booktitle = {Proceedings of the ACM International Conference on Multimedia},
  year      = {2025},
  note      = {arXiv:2505.02331}
}
```"""
"""VAEmo as a fenced BibTeX entry."""
