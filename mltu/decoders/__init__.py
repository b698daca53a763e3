"""From CTC outputs to texts: best path, prefix beam search, lexicons and patterns."""

from mltu.decoders.beam import BeamDecoder
from mltu.decoders.forward import skip_sure_blanks, text_log_probabilities
from mltu.decoders.hypothesis import Constraint, Decoder, Hypothesis
from mltu.decoders.lexicon import Lexicon
from mltu.decoders.paths import Spans, align_texts, best_path
from mltu.decoders.pattern import Pattern
from mltu.decoders.temperature import to_probabilities

__all__ = [
    "BeamDecoder",
    "Constraint",
    "Decoder",
    "Hypothesis",
    "Lexicon",
    "Pattern",
    "Spans",
    "align_texts",
    "best_path",
    "skip_sure_blanks",
    "text_log_probabilities",
    "to_probabilities",
]
