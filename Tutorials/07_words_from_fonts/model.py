"""The networks of this tutorial; `mltu/models/_networks.py` shows how they are built."""

from mltu.models import column_reader, row_reader, strong_reader

MODELS = {"strong": strong_reader, "columns": column_reader, "rows": row_reader}
