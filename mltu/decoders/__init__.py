"""CTC decoding: greedy, prefix beam search, lexicons and patterns."""

from mltu.decoders._automaton import Automaton
from mltu.decoders._beam import BeamDecoder, Constraint, Decoder, Hypothesis
from mltu.decoders._best_path import Spans, align_texts, ctc_decoder, greedy_path, required_steps
from mltu.decoders._lexicon import Lexicon
from mltu.decoders._pattern import Pattern
from mltu.decoders._score import (
    kind_of_outputs,
    skip_confident_blanks,
    text_log_probabilities,
    to_probabilities,
)

__all__ = [
    "Automaton",
    "BeamDecoder",
    "Constraint",
    "Decoder",
    "Hypothesis",
    "Lexicon",
    "Pattern",
    "Spans",
    "align_texts",
    "ctc_decoder",
    "greedy_path",
    "kind_of_outputs",
    "required_steps",
    "skip_confident_blanks",
    "text_log_probabilities",
    "to_probabilities",
]
