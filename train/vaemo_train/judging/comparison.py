"""In what an evaluation is not to be compared with what others have published on its corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vaemo_clips.errors import UserError
from vaemo_train.outcome.published import OurScores, find_corpus
from vaemo_train.outcome.results_file import ClassScores

if TYPE_CHECKING:
    from vaemo_train.judging.tested import Tested
    from vaemo_train.outcome.results_file import Results


def our_scores(results: Results) -> dict[str, OurScores]:
    """Of V, A and VA, as far as clips have them. Raises UserError for values."""
    found = {}
    for modality, scores in results.scores.items():
        if not isinstance(scores, ClassScores):
            raise UserError("--corpus: the published scores are of classes, this model gives values; leave it out")
        if modality in ("V", "A", "VA"):
            estimates = (scores.uar.estimate, scores.war.estimate, scores.wf1.estimate)
            found[modality] = OurScores(*estimates, scores.num_clips)
    return found


def how_reached(results: Results) -> str:
    """What our scores are over: folds, seeds, and which weights."""
    protocol = results.protocol
    words = [protocol.folds, *(["the clips of all folds pooled"] if protocol.num_folds > 1 else [])]
    words += ["mean ± standard deviation over seeds"] if len(protocol.seeds) > 1 else []
    return "; ".join([*words, protocol.selection, "compare like with like"])


def unlike(tested: Tested, results: Results, corpus: str) -> Iterator[str]:
    """What our scores hold that the published ones do not, a few words each. Raises ManifestError as `find_corpus`."""
    yield from _seen(tested, results)
    published = find_corpus(corpus)
    if published is None:
        return
    if published.num_classes not in (None, len(results.names)):
        yield f"{len(results.names)} classes, not {published.num_classes}"
    if published.num_folds is not None:
        folds = results.protocol.num_folds
        if tested.is_one_model and published.num_folds > 1:
            yield f"one model, not one for each of {published.num_folds} folds"
        elif folds != published.num_folds:
            yield f"{folds} folds, not {published.num_folds}"


def _seen(tested: Tested, results: Results) -> Iterator[str]:
    """Clips and speakers that were trained on, or may have been."""
    if tested.num_trained is None:
        yield "nobody knows which clips were trained on"
    elif tested.num_trained:
        yield f"trained on {tested.num_trained:,} of {results.data['num_clips']:,} clips"
    if tested.is_disjoint is None:
        yield "nobody knows whether speakers are in training and test"
    elif not tested.is_disjoint:
        yield "speakers who are tested were trained on"
    if any(seen == "yes" for seen in tested.pretraining.values()):
        yield "pre-training saw, without labels, speakers who are tested"
