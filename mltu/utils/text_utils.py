"""Import path of the tutorials; the code is in `mltu.decoders` and `mltu.utils.error_rates`."""

from mltu.decoders import ctc_decoder
from mltu.utils.error_rates import edit_distance, get_cer, get_wer

__all__ = ["ctc_decoder", "edit_distance", "get_cer", "get_wer"]
