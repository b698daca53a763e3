"""From images of your own to a reader: examine, choose, train, report.

python train.py labels.csv [--epochs N]

The data are a CSV file with the columns path and label, a folder of images named after their
labels, an LMDB, or a folder in the layout of MJSynth.
"""

import argparse
from datetime import datetime
from pathlib import Path

from configs import NUM_DRAWN, RUNS, STAND_IN
from data import draw_serial_numbers

from mltu.data_check import check_data, write_sheet
from mltu.datasets import open_samples, read_csv
from mltu.evaluation import Sample, write_report
from mltu.inferenceModel import TextRecognizer
from mltu.training import choose_settings, require_new_run, resume_reader, train_reader


def parse_arguments(arguments):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, help="your data; drawn ones if left out")
    parser.add_argument("--limit", type=int, help="use only the first N images")
    parser.add_argument("--epochs", type=int, help="at most; enough for 5,000 steps if left out")
    parser.add_argument("--batch-size", type=int, help="32 if left out")
    parser.add_argument("--output", type=Path, help="the run folder")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on; --epochs may be raised")
    args = parser.parse_args(arguments)
    given = {key for key, value in vars(args).items() if value is not None}
    if args.resume and given - {"resume", "epochs"}:
        parser.error("--resume takes all settings from the run; only --epochs goes with it")
    return args


def examine(samples, run):
    """Print what is wrong with the data and what to do; end where a training would go wrong."""
    report = check_data(samples)
    print(report.to_text())
    report.write_json(run / "data_check.json")
    num_shown = write_sheet(run / "data_check.png", report, samples)
    print(f"{num_shown} images to look at: {run / 'data_check.png'}")
    if not report.ok:
        raise SystemExit("Mend the errors above, or leave these samples out, and run it again.")
    return report


def begin_run(args, run):
    """Open, examine and train."""
    require_new_run(run)
    if args.data is None:
        count = args.limit or NUM_DRAWN
        folder = STAND_IN.with_name(f"{STAND_IN.name}_{count}")
        print(f"No data given: {count} serial numbers are drawn into {folder}")
        draw_serial_numbers(folder, count)
        args.data = folder / "labels.csv"
    samples = open_samples(args.data)[: args.limit]
    choice = choose_settings(examine(samples, run))
    print("\n".join(choice.reasons))
    train_reader(
        samples,
        output=run,
        model=choice.model,
        width=choice.width,
        height=choice.height,
        epochs=args.epochs,
        batch_size=args.batch_size or 32,
    )


def show_outcome(run):
    """Read the validation images with the exported file and write the report to look at."""
    held = read_csv(run / "val.csv")
    readings = TextRecognizer(run).predict_batch(held.data, on_error="keep")
    rows = [
        Sample(path, label, reading.text, reading.confidence, reading.error)
        for (path, label), reading in zip(held, readings, strict=True)
    ]
    found = write_report(run / "report.html", rows, title="Images held out of the training")
    print(f"{found.num_samples} images held out: {found.exact} exact, CER {found.cer}")
    print(f"The worst readings, and which confidence to trust: {run / 'report.html'}")
    print(f"Read others with: mltu read IMAGES --model {run}")


def main(arguments=None):
    """Go the whole way."""
    args = parse_arguments(arguments)
    run = args.resume or args.output or RUNS / datetime.now().strftime("%Y%m%d%H%M")
    try:
        if args.resume:
            resume_reader(run, epochs=args.epochs)
        else:
            begin_run(args, run)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt as error:
        has_begun = (run / "configs.yaml").is_file()
        way_on = f"\nContinue with: train.py --resume {run}" if has_begun else ""
        raise SystemExit(f"{str(error) or 'Interrupted.'}{way_on}") from None
    show_outcome(run)


if __name__ == "__main__":
    main()
