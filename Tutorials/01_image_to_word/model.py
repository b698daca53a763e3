"""The networks of this tutorial; `mltu/models/_networks.py` shows how they are built."""

from mltu.models import column_reader, row_reader

MODELS = {"rows": row_reader, "columns": column_reader}
