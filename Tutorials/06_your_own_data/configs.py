"""Where this tutorial finds data and leaves its runs; its settings are chosen from the data."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "Models" / "6_your_own_data"
STAND_IN = ROOT / "Datasets" / "serial_numbers"
NUM_DRAWN = 2_000
