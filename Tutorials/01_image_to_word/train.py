"""Train a reader of words from the command line: python train.py

Without MJSynth under Datasets/90kDICT32px, and without --data, a data set of rendered words in the
same layout is made first.
"""

import argparse
from pathlib import Path

import cv2
import keras
from configs import ROOT, ModelConfigs
from inferenceModel import ImageToWordModel, read_or_empty
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from keras.optimizers.schedules import CosineDecay
from model import column_model, train_model
from mltu.callbacks import FollowSchedule, Model2onnx, TrainLogger, make_tensorboard
from mltu.dataProvider import DataProvider
from mltu.datasets import read_mjsynth
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.pictures import plot_curves, write_contact_sheet
from mltu.preprocessors import ImageReader
from mltu.synthetic import write_mjsynth
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.text_utils import get_cer, get_wer
from tqdm import tqdm

MJSYNTH = ROOT / "Datasets" / "90kDICT32px"
GENERATED = ROOT / "Datasets" / "generated_words"
NUM_GENERATED = 60_000  # training words; as many again teach less than as many more minutes
NUM_VALIDATION = 2_000
MODELS = {"rows": train_model, "columns": column_model}


def parse_arguments(arguments=None):
    """Read the command line; what is left out keeps the value of ModelConfigs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="MJSynth root, the folder of annotation_train.txt")
    parser.add_argument("--limit", type=int, help="use only the first N words of each list")
    parser.add_argument("--epochs", type=int, dest="train_epochs")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--workers", type=int, dest="train_workers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", choices=MODELS, default="columns")
    parser.add_argument("--output", type=Path, dest="model_path", help="the run folder")
    parser.add_argument("--no-export", action="store_true", help="leave the ONNX file out")
    return parser.parse_args(arguments)
