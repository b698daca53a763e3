"""Train a reader of words without a data set: each image is drawn from fonts when it is needed.

python train.py [--model strong] [--images 2000000] [--atlas FOLDER] [--words FILE]
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from configs import ModelConfigs
from keras.callbacks import LambdaCallback, ModelCheckpoint
from model import MODELS

from mltu.callbacks import FollowSchedule, KeepState, Model2onnx, TrainLogger, fit_resumable
from mltu.dataProvider import DataProvider
from mltu.inferenceModel import TextRecognizer
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import use_native_layers
from mltu.plots import plot_history, write_readings
from mltu.synthetic import TextImages
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

NUM_VALIDATION = 1_280
WEIGHTS = {"scene_word": 5, "distant_word": 2, "scan_word": 1, "screen_word": 1, "code": 1}
WARMUP = 1_000  # batches


def parse_arguments(arguments):
    """Read the command line; what is left out keeps the value of ModelConfigs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument(
        "--images", type=int, dest="num_images", help="to train on, rounded up to epochs"
    )
    parser.add_argument("--epoch", type=int, dest="images_per_epoch", help="images of an epoch")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--atlas", help="a folder made by font_tools.py; else the shipped fonts")
    parser.add_argument("--texts", help="a file made by word_lists.py; else English words")
    parser.add_argument("--workers", type=int, dest="train_workers", help="threads that draw")
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--output", type=Path, dest="model_path", help="the run folder")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on; --images may differ from before"
    )
    args = parser.parse_args(arguments)
    given = {key for key, value in vars(args).items() if value is not None}
    if args.resume and given - {"resume", "num_images"}:
        parser.error("--resume takes all settings from the run; only --images goes with it")
    return args


def make_configs(args):
    """Take the settings of the run that goes on, or of the command line."""
    configs = ModelConfigs.load(args.resume / "configs.yaml") if args.resume else ModelConfigs()
    given = {key: value for key, value in vars(args).items() if value is not None}
    vars(configs).update({key: value for key, value in given.items() if hasattr(configs, key)})
    configs.model_path = str(args.resume or configs.model_path)
    configs.images_per_epoch = min(configs.images_per_epoch, configs.num_images)
    for name in ("atlas", "texts"):  # --resume may come from another folder
        setattr(
            configs, name, getattr(configs, name) and str(Path(getattr(configs, name)).resolve())
        )
    run = Path(configs.model_path)
    if not args.resume and (run / "state").exists():
        raise SystemExit(f"{run} already holds a run. Give another --output, or --resume {run}")
    return configs


def make_providers(configs):
    """Return batches to train on, each image of a new word, and some fixed words to validate."""
    options = {"height": configs.height, "color": False, "weights": WEIGHTS}
    endless = TextImages(configs.atlas or None, configs.texts or None, new_texts=True, **options)
    fixed = TextImages(endless.atlas, endless.texts, **options)
    rng = np.random.default_rng([configs.seed, 1])
    labels = [endless.texts.draw(rng, "word", 26) for _ in range(NUM_VALIDATION)]
    labels = [label for label in labels if len(endless.atlas.fonts_for(label))]

    def provider(dataset, scene, **more):
        return DataProvider(
            dataset,
            [],
            batch_size=configs.batch_size,
            augmentors=[scene],
            transformers=[
                ImageResizer(configs.width, configs.height),
                LabelIndexer(configs.vocab),
                LabelPadding(configs.max_text_length, padding_value=len(configs.vocab)),
            ],
            skip_validation=True,
            seed=configs.seed,
            **more,
        )

    # TextImages puts image and label in the place of these.
    empty = [("", "")] * configs.images_per_epoch
    train = provider(empty, endless, workers=configs.train_workers, drop_last=True)
    return train, provider(list(zip(labels, labels, strict=True)), fixed, shuffle=False)


def count_epochs(configs):
    """Return how many epochs show at least the images asked for."""
    return -(-configs.num_images // configs.images_per_epoch)


def make_schedule(configs):
    """Return the rate of a step: up from nothing, level for long, and down to nothing.

    Unlike on a cosine, a level stretch can be prolonged when there is more time to train.
    """
    total = count_epochs(configs) * (configs.images_per_epoch // configs.batch_size)
    warmup, decay = min(WARMUP, total // 10), int(total * configs.decay_share)
    corners = [0, warmup, total - decay, total]
    rates = [0, configs.learning_rate, configs.learning_rate, 0]
    return lambda step: float(np.interp(step, corners, rates))


def finish_run(run, configs, history, validation):
    """Draw the curves against images seen, and show what the exported file reads."""
    seen = configs.images_per_epoch * np.arange(1, len(history["loss"]) + 1)
    plot_history(run / "curves.png", history, x=seen, x_label="images seen")
    reader = TextRecognizer(run / "model.onnx")
    images, labels = validation[0]
    readings = [(r.text, r.confidence) for r in reader.predict_batch(images[:48])]
    texts = [
        "".join(configs.vocab[i] for i in row if i < len(configs.vocab)) for row in labels[:48]
    ]
    write_readings(run / "readings.png", images[:48], readings, texts)
    print(f"Run folder: {run}")


def main(arguments=None):
    """Train, export and show what the exported file reads."""
    args = parse_arguments(arguments)
    configs = make_configs(args)
    run = Path(configs.model_path)
    keras.utils.set_random_seed(configs.seed)
    keras.config.set_dtype_policy(configs.precision)
    train, validation = make_providers(configs)

    shape = (configs.height, configs.width, 1)
    model = MODELS[configs.model](shape, len(configs.vocab), dropout=0.0)
    use_native_layers(model)
    model.compile(
        optimizer=keras.optimizers.AdamW(configs.learning_rate, weight_decay=1e-4, clipnorm=5.0),
        loss=CTCLoss(),
        metrics=[CWERMetric(configs.vocab)],
    )
    metadata = {"vocab": configs.vocab, "color": "GRAY"}
    callbacks = [
        # A resume that is refused changes no file.
        LambdaCallback(on_train_begin=lambda _: configs.save()),
        FollowSchedule(make_schedule(configs)),
        # Keras formats the path with the number of the epoch.
        ModelCheckpoint(
            str(run / "model.keras").replace("{", "{{").replace("}", "}}"),
            monitor="val_CER",
            save_best_only=True,
        ),
        TrainLogger(run),
        Model2onnx(run / "model.keras", metadata, validation=validation),
        KeepState(run / "state", settings={"vocab": configs.vocab}),
    ]
    try:
        history = fit_resumable(
            model,
            train,
            validation_data=validation,
            epochs=count_epochs(configs),
            callbacks=callbacks,
            resume=args.resume is not None,
        )
    except KeyboardInterrupt as error:
        raise SystemExit(f"{error}\nContinue with: train.py --resume {run}") from None
    finish_run(run, configs, history.history, validation)


if __name__ == "__main__":
    main()
