"""Why a CTC model does not learn: pure functions that look at the numbers of a training."""

from .at_once import constant_images, gpu_in_machine, non_finite_loss, too_few_steps, unseen_gpu
from .figures import (
    MIN_NUM,
    answer_figures,
    best_answers,
    deviations,
    match_of_images_and_labels,
    true_texts,
)
from .in_time import diagnose
from .records import Diagnosis, Evidence, Look

__all__ = [
    "MIN_NUM",
    "Diagnosis",
    "Evidence",
    "Look",
    "answer_figures",
    "best_answers",
    "constant_images",
    "deviations",
    "diagnose",
    "gpu_in_machine",
    "match_of_images_and_labels",
    "non_finite_loss",
    "too_few_steps",
    "true_texts",
    "unseen_gpu",
]
