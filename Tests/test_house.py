"""The walls of the house: what each module may import, what it offers, what it never does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "mltu").rglob("*.py"))

FLOORS = {
    0: [
        "utils",
        "utils.checks",
        "utils.files",
        "utils.image_size",
        "utils.text_columns",
        "utils.text_utils",
        "decoders",
        "pretrained",
    ],
    1: [
        "configs",
        "model_card",
        "preprocessors",
        "audio",
        "state_file",
        "augmentors",
        "transformers",
        "datasets",
        "pictures",
        "synthetic",
    ],
    2: [
        "pipeline",
        "batch_maker",
        "batch_plan",
        "batch_source",
        "worker_processes",
        "bad_samples",
        "convergence",
        "data_check",
        "evaluation",
        "inferenceModel",
    ],
    3: [
        "dataProvider",
        "keras_dataset",
        "ctc_kernels",
        "losses",
        "metrics",
        "native_layers",
        "distribution",
        "warm_start",
        "model_utils",
        "models",
        "onnx_export",
        "run_state",
        "callbacks",
        "training",
    ],
    4: ["cli", "__main__"],
}
BELOW_ALL = ["", "_extras"]  # "" is mltu itself.
SAME_FLOOR = {
    ("audio", "audio"),
    ("audio", "augmentors"),
    ("audio", "transformers"),
    ("augmentors", "pictures"),
    ("batch_maker", "pipeline"),
    ("batch_plan", "pipeline"),
    ("batch_source", "bad_samples"),
    ("batch_source", "batch_maker"),
    ("batch_source", "pipeline"),
    ("batch_source", "worker_processes"),
    ("transformers", "transformers"),
    ("worker_processes", "batch_maker"),
    ("convergence", "convergence"),
    ("data_check", "data_check"),
    ("evaluation", "evaluation"),
    ("dataProvider", "keras_dataset"),
    ("datasets", "datasets"),
    ("decoders", "decoders"),
    ("decoders", "utils.checks"),
    ("inferenceModel", "inferenceModel"),
    ("losses", "ctc_kernels"),
    ("metrics", "ctc_kernels"),
    ("metrics", "losses"),
    ("models", "model_utils"),
    ("callbacks", "callbacks"),
    ("callbacks", "losses"),
    ("callbacks", "onnx_export"),
    ("callbacks", "run_state"),
    ("onnx_export", "onnx_export"),
    ("synthetic", "augmentors"),
    ("synthetic", "synthetic"),
    ("training", "callbacks"),
    ("training", "dataProvider"),
    ("training", "distribution"),
    ("training", "losses"),
    ("training", "metrics"),
    ("training", "models"),
    ("training", "native_layers"),
    ("training", "onnx_export"),
    ("training", "training"),
    ("cli", "cli"),
    ("__main__", "cli"),
    ("utils", "utils"),
    ("utils.text_utils", "decoders"),
}
PACKAGES = {
    "audio",
    "callbacks",
    "cli",
    "convergence",
    "data_check",
    "datasets",
    "decoders",
    "evaluation",
}
PACKAGES |= {"inferenceModel", "onnx_export", "synthetic", "training", "transformers"}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
FLOOR.update(dict.fromkeys(BELOW_ALL, -1))

LIGHT = [
    *FLOORS[0],
    *FLOORS[1],
    "pipeline",
    "batch_maker",
    "bad_samples",
    "data_check",
    "evaluation",
    "convergence",
    "onnx_export",
]
HEAVY = {"keras", "tensorflow", "torch", "jax", "pandas"}

PUBLIC = {
    "_extras": ["explain_missing"],
    "audio.augmentors": ["AudioAugmentor", "RandomNoise", "RandomStretch"],
    "audio.reader": ["AudioReader"],
    "audio.spectrogram": ["MelSpectrogram", "Spectrogram", "SpectrogramPadding"],
    "augmentors": [
        "Augmentor",
        "ImageTransform",
        "RandomBrightness",
        "RandomErodeDilate",
        "RandomGaussianBlur",
        "RandomRotate",
        "RandomSharpen",
        "write_augmented_sheet",
    ],
    "bad_samples": ["BadSample", "BadSamples"],
    "batch_maker": ["BatchMaker"],
    "batch_plan": ["BatchPlan"],
    "batch_source": ["BatchSource"],
    "callbacks.board": ["tensorboard"],
    "callbacks.export": ["Model2onnx", "onnx_path_for"],
    "callbacks.resumable_fit": ["fit_resumable"],
    "callbacks.resume": ["KeepState"],
    "callbacks.schedule": ["FollowSchedule", "num_executed"],
    "callbacks.train_logger": ["TrainLogger"],
    "callbacks.watch": ["ConvergenceWatch"],
    "cli.bench": ["command"],
    "cli.check": ["command"],
    "cli.common": [
        "count_option",
        "device_options",
        "find_model",
        "is_terminal",
        "is_watched",
        "part_option",
        "print_json",
        "text_or_json",
        "to_json",
    ],
    "cli.doctor": ["command"],
    "cli.doctor_facts": ["gather", "nvidia_gpus", "probe", "unmet_requirements"],
    "cli.doctor_findings": ["Finding", "examine"],
    "cli.doctor_probes": ["main"],
    "cli.evaluate": ["command"],
    "cli.export": ["command"],
    "cli.info": ["command"],
    "cli.main": ["Commands", "commands", "main"],
    "cli.onnx_size": ["count_parameters"],
    "cli.pack": ["command"],
    "cli.read": ["command"],
    "cli.synth": ["command", "fonts", "sheet", "words"],
    "cli.synth_fonts": ["run_fonts"],
    "cli.synth_words": ["run_sheet", "run_words"],
    "cli.train": ["command"],
    "configs": ["BaseModelConfigs"],
    "convergence.at_once": [
        "constant_images",
        "gpu_in_machine",
        "non_finite_loss",
        "too_few_steps",
        "unseen_gpu",
    ],
    "convergence.figures": [
        "answer_figures",
        "best_answers",
        "deviations",
        "match_of_images_and_labels",
        "true_texts",
    ],
    "convergence.in_time": ["diagnose"],
    "convergence.records": ["Diagnosis", "Evidence", "Look"],
    "convergence.texts": [
        "blank_collapse",
        "foreign_labels",
        "loss_range",
        "no_effect",
        "no_progress",
        "percent",
        "too_high",
    ],
    "dataProvider": ["DataProvider"],
    "keras_dataset": ["KerasDataset"],
    "data_check.check": ["check_data"],
    "data_check.findings": ["Example", "Expected", "Finding", "Hit", "Kind", "make_finding"],
    "data_check.image_checks": ["check_copies", "check_files", "check_sizes"],
    "data_check.image_pass": ["ImageFacts", "first_equal", "read_images"],
    "data_check.joined": ["Joined"],
    "data_check.label_checks": ["LabelFacts", "check_labels"],
    "data_check.report": ["DataReport"],
    "data_check.sheet": ["write_sheet"],
    "datasets.folder": ["find_images", "read_folder"],
    "datasets.iam": ["IamSplit", "read_iam_lines", "read_iam_words", "split_iam"],
    "datasets.lmdb_check": ["check_lmdb"],
    "datasets.lmdb_file": ["LmdbFile", "decode_label", "image_key", "label_key", "open_lmdb"],
    "datasets.lmdb_reader": ["LmdbImages", "read_lmdb"],
    "datasets.lmdb_writer": ["pack_lmdb"],
    "datasets.loading": ["check_samples", "load_samples"],
    "datasets.mjsynth": ["read_mjsynth"],
    "datasets.opening": ["open_samples", "open_validation"],
    "datasets.samples": ["JoinedColumn", "LazyColumn", "Samples"],
    "datasets.tables": ["read_csv", "read_tsv", "write_csv"],
    "decoders.automaton": ["Automaton"],
    "decoders.beam": ["BeamDecoder", "search"],
    "decoders.expression": ["Parser"],
    "decoders.forward": ["skip_sure_blanks", "text_log_probabilities"],
    "decoders.hypothesis": ["Constraint", "Decoder", "Hypothesis", "check_outputs"],
    "decoders.lexicon": ["Lexicon"],
    "decoders.paths": ["Spans", "align_texts", "best_path"],
    "decoders.pattern": ["Pattern"],
    "decoders.temperature": ["to_probabilities"],
    "inferenceModel.preparation": ["Preparation", "Prepared", "prepare_image"],
    "inferenceModel.reading": ["Character", "Reading"],
    "inferenceModel.recognizer": ["TextRecognizer"],
    "inferenceModel.session": ["OnnxInferenceModel"],
    "evaluation.calibration": ["Calibration", "fit_temperature"],
    "evaluation.cards": ["card_sections"],
    "evaluation.characters": ["Confusion", "confusions"],
    "evaluation.charts": ["coverage_chart", "reliability_chart"],
    "evaluation.confidence": [
        "Coverage",
        "ReliabilityBin",
        "calibration_error",
        "coverage_curve",
        "reliability_bins",
        "widest_coverage",
    ],
    "evaluation.figures": ["Evaluation", "Figure", "evaluate_readings"],
    "evaluation.markup": ["Markup", "differences", "element", "joined", "visible"],
    "evaluation.report": ["write_report"],
    "evaluation.samples": ["Sample", "source_names"],
    "evaluation.sections": [
        "confusion_section",
        "error_section",
        "figure_section",
        "figure_tiles",
        "outcome",
        "outcome_section",
        "section",
        "text_or_nothing",
    ],
    "evaluation.thumbnails": ["thumbnail"],
    "evaluation.trust": ["confidence_section"],
    "evaluation.worst": ["worst_samples"],
    "ctc_kernels": ["kernel_name", "scan_kernel", "tensorflow_kernel", "torch_kernel"],
    "distribution": ["LocalCheckpoint", "Place", "distribute"],
    "native_layers": ["use_native_layers"],
    "losses": ["CTCLoss", "ctc_batch_loss", "label_lengths", "required_steps"],
    "metrics": ["CERMetric", "CWERMetric", "InfeasibleLabels", "WERMetric"],
    "model_card": ["ModelCard", "check_fields", "kind_of_outputs", "parse_json", "read_card"],
    "model_utils": ["activation_layer", "residual_block"],
    "models": ["column_reader", "row_reader", "strong_reader"],
    "onnx_export.calibration": ["calibrate_onnx"],
    "onnx_export.child": ["convert", "main"],
    "onnx_export.child_process": ["run_child"],
    "onnx_export.classes": ["stored_classes"],
    "onnx_export.comparison": ["ExportFigures", "compare", "keras_outputs"],
    "onnx_export.export": ["check_packages", "export_onnx"],
    "onnx_export.int8": ["Int8Report", "Variant", "quantize_onnx"],
    "onnx_export.metadata": ["write_metadata"],
    "onnx_export.runs": ["export_run"],
    "onnx_export.tracing": ["in_float32", "on_the_cpu", "write_source"],
    "onnx_export.validation": ["ValidationImages", "describe_steps", "gather"],
    "pictures": [
        "plot_bars",
        "plot_curves",
        "plot_history",
        "shrink",
        "write_contact_sheet",
        "write_readings",
    ],
    "pipeline": [
        "arrange_batches",
        "declared",
        "epoch_order",
        "replacement",
        "run_batch",
        "run_steps",
        "sample_rngs",
        "stack_batch",
    ],
    "pretrained": ["find_pretrained", "model_place", "pretrained_names"],
    "preprocessors": ["ImageReader"],
    "run_state": [
        "check_variables",
        "collect_callbacks",
        "collect_texts",
        "collect_variables",
        "library_versions",
        "restore_callbacks",
        "restore_chance",
        "restore_variables",
    ],
    "state_file": [
        "KeptState",
        "find_state",
        "from_plain",
        "mark_finished",
        "to_plain",
        "write_state",
    ],
    "synthetic.atlas": ["FontAtlas", "check_place"],
    "synthetic.font_sheet": ["FontSheet", "draw_glyphs", "draw_sheet", "in_processes", "num_cores"],
    "synthetic.drawing": ["Layers", "colour", "photograph", "place", "set_letters", "store"],
    "synthetic.families": ["family_weights"],
    "synthetic.font_check": [
        "FontReport",
        "check_font",
        "check_fonts",
        "find_fonts",
        "legibility",
        "shape_of",
    ],
    "synthetic.fonts": [
        "Glyph",
        "draw_mask",
        "glyph_of",
        "load_font",
        "missing_characters",
        "shipped_fonts",
        "text_size",
    ],
    "synthetic.painters": ["paint_plain", "paint_scene", "plain_style", "scene_style", "sha256"],
    "synthetic.render": ["Palette", "Placement", "render_word"],
    "synthetic.scene": ["SceneWords"],
    "synthetic.sheets": ["font_sheet", "side_by_side", "word_sheet", "write_png"],
    "synthetic.textures": ["make_textures"],
    "synthetic.words": [
        "add_marks",
        "in_all_cases",
        "load_words",
        "sample_scene_text",
        "sample_word",
    ],
    "synthetic.writer": [
        "Job",
        "is_validation_label",
        "start_worker",
        "write_chunk",
        "write_chunk_in_worker",
        "write_mjsynth",
    ],
    "training.choice": ["Choice", "choose_settings"],
    "training.data": [
        "UnfitDataError",
        "check_samples",
        "gather_samples",
        "make_provider",
    ],
    "training.fitting": ["compile_reader", "fit_reader"],
    "training.outcome": ["evaluate_export"],
    "training.reader": ["TrainedReader", "resume_reader", "train_reader"],
    "training.run_folder": [
        "continue_configs",
        "keep_samples",
        "kept_samples",
        "refuse_old_run",
    ],
    "training.settings": ["Network", "ReaderConfigs", "enough_epochs"],
    "transformers.base": ["Transformer"],
    "transformers.images": ["ExpandDims", "ImageNormalizer", "ImageResizer"],
    "transformers.labels": ["LabelIndexer", "LabelPadding"],
    "utils.checks": ["called", "check_callables", "check_count", "settings_of", "shorten"],
    "utils.files": [
        "atomic_folder",
        "atomic_path",
        "read_bytes",
        "refuse_working_folder",
        "use_utf8_output",
    ],
    "utils.image_size": ["decoding_risk", "is_small_jpeg", "num_pixels"],
    "utils.text_columns": [
        "TextColumn",
        "TextColumnBuilder",
        "as_indices",
        "distinct_characters",
        "text_lengths",
    ],
    "utils.text_utils": [
        *("ctc_decoder", "edit_distance", "get_cer", "get_wer", "paired_texts", "required_steps"),
    ],
    "warm_start": ["WarmStart", "warm_start"],
    "worker_processes": ["WorkerProcesses"],
}


def run(code):
    """Run code in a fresh interpreter and return what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def module_name(file):
    parts = file.relative_to(ROOT / "mltu").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room(module):
    """Return the name under which a module stands in FLOOR: all of a package is one room."""
    package = module.partition(".")[0]
    return package if package in PACKAGES else module


def parse(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(node, file):
    """Return the absolute names of the modules that an import statement may load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = file.relative_to(ROOT).parts[: -node.level]
        base = ".".join([*package, *([base] if base else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def at_module_level(tree):
    """Walk what runs at import: all but the bodies of functions."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            todo += ast.iter_child_nodes(node)


def module_files():
    return pytest.mark.parametrize("file", FILES, ids=[module_name(f) or "mltu" for f in FILES])


def is_module(name):
    return any(module_name(file) == name for file in FILES)


# Fresh interpreters


def loaded_by(*modules):
    """Return the packages in `sys.modules` after each of the imports, in one interpreter."""
    code = "import sys\n" + "\n".join(f"import {module}" for module in modules)
    return set(run(f"{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})").split())


def test_inference_is_light():
    loaded = loaded_by("mltu.inferenceModel")
    assert loaded.isdisjoint(HEAVY | {"cv2", "matplotlib", "PIL"})
    assert {"numpy", "onnxruntime"} <= loaded


def test_the_lower_floors_load_nothing_heavy():
    """All in one interpreter: if the sum is light, so is each."""
    loaded = loaded_by(*(f"mltu.{name}" for name in LIGHT))
    assert loaded.isdisjoint(HEAVY)
    assert "cv2" in loaded


def test_mltu_itself_loads_the_standard_library_only():
    before = set(run("import sys; print(*sys.modules)").split())
    after = set(run("import sys, mltu; print(*sys.modules)").split())
    new = {name.partition(".")[0] for name in after - before}
    assert "mltu" in new
    assert new - {"mltu"} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("package", "module", "way_out"),
    [
        ("keras", "losses", 'pip install "mltu[tensorflow]"'),
        ("keras", "dataProvider", 'pip install "mltu[tensorflow]"'),
        ("cv2", "preprocessors", "opencv-python-headless"),
        ("cv2", "augmentors", "opencv-python-headless"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line(package, module, way_out):
    code = f"""
import sys
sys.modules[{package!r}] = None
try:
    import mltu.{module}
except ImportError as error:
    print(error.name, error, type(error.__cause__).__name__)
"""
    printed = run(code)
    assert printed.startswith(f"{package} mltu needs the package `{package}` here")
    assert way_out in printed
    assert printed.endswith("ModuleNotFoundError\n")


def test_other_import_errors_pass_unchanged():
    from mltu._extras import explain_missing

    original = ImportError("something else", name="unheard_of")
    with pytest.raises(ImportError) as caught, explain_missing():
        raise original
    assert caught.value is original


# Imports as written


def test_every_module_stands_on_a_floor():
    rooms = {room(module_name(file)) for file in FILES}
    assert rooms == set(FLOOR)


@module_files()
def test_no_framework_is_imported_at_module_level(file):
    for node in at_module_level(parse(file)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            packages = {name.partition(".")[0] for name in imported(node, file)}
            assert packages.isdisjoint({"tensorflow", "torch", "jax", "pandas"})


def test_the_walk_sees_with_blocks_and_not_functions():
    tree = ast.parse("with a:\n  import torch\ndef f():\n  import jax\nclass C:\n  import pandas")
    names = {
        alias.name
        for node in at_module_level(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert names == {"torch", "pandas"}


@module_files()
def test_imports_go_downstairs(file):
    here = room(module_name(file))
    for node in ast.walk(parse(file)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name in imported(node, file):
            target = name.removeprefix("mltu").removeprefix(".")
            if name.partition(".")[0] != "mltu" or not is_module(target):
                continue
            there = room(target)
            below = FLOOR[there] < FLOOR[here]
            pairs = {(here, there), (module_name(file), there)}
            assert below or pairs & SAME_FLOOR, f"{here} imports {there}"


# Names and manners


def public_names(tree):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return sorted(
        node.name for node in tree.body if isinstance(node, kinds) and node.name[0] != "_"
    )


def test_public_names():
    found = {module_name(file): public_names(parse(file)) for file in FILES}
    found = {name: names for name, names in found.items() if names}
    assert found == PUBLIC


def offered_by(package):
    """Return the names that a package imports from its modules."""
    tree = parse(ROOT / "mltu" / package / "__init__.py")
    names = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    ]
    return sorted(names)


def test_public_names_of_audio():
    assert offered_by("audio") == [
        "AudioAugmentor",
        "AudioReader",
        "MelSpectrogram",
        "RandomNoise",
        "RandomStretch",
        "Spectrogram",
        "SpectrogramPadding",
    ]


def test_audio_needs_its_packages_only_to_read():
    assert loaded_by("mltu.audio").isdisjoint({"soundfile", "soxr"})


def test_public_names_of_transformers():
    assert offered_by("transformers") == [
        "ExpandDims",
        "ImageNormalizer",
        "ImageResizer",
        "LabelIndexer",
        "LabelPadding",
        "Transformer",
    ]


def test_public_names_of_callbacks():
    assert offered_by("callbacks") == [
        "ConvergenceWatch",
        "FollowSchedule",
        "KeepState",
        "Model2onnx",
        "TrainLogger",
        "fit_resumable",
        "onnx_path_for",
        "tensorboard",
    ]


def test_public_names_of_data_check():
    assert offered_by("data_check") == [
        "DataReport",
        "Example",
        "Finding",
        "Severity",
        "check_data",
        "write_sheet",
    ]


def test_public_names_of_evaluation():
    assert offered_by("evaluation") == [
        "Calibration",
        "Confusion",
        "Coverage",
        "Evaluation",
        "Figure",
        "ReliabilityBin",
        "Sample",
        "calibration_error",
        "confusions",
        "coverage_curve",
        "evaluate_readings",
        "fit_temperature",
        "reliability_bins",
        "widest_coverage",
        "worst_samples",
        "write_report",
    ]


def test_figures_of_texts_need_no_opencv():
    assert "cv2" not in loaded_by("mltu.evaluation")


def test_public_names_of_onnx_export():
    assert offered_by("onnx_export") == [
        "ExportFigures",
        "Int8Report",
        "TOLERANCE",
        "Variant",
        "calibrate_onnx",
        "check_packages",
        "export_onnx",
        "export_run",
        "quantize_onnx",
    ]


def test_public_names_of_datasets():
    assert offered_by("datasets") == [
        "IamSplit",
        "LazyColumn",
        "LmdbImages",
        "Samples",
        "check_lmdb",
        "check_samples",
        "find_images",
        "load_samples",
        "open_samples",
        "open_validation",
        "pack_lmdb",
        "read_csv",
        "read_folder",
        "read_iam_lines",
        "read_iam_words",
        "read_lmdb",
        "read_mjsynth",
        "read_tsv",
        "split_iam",
        "write_csv",
    ]


def test_public_names_of_synthetic():
    assert offered_by("synthetic") == [
        "ALPHABET",
        "FontAtlas",
        "FontReport",
        "MARKS",
        "SceneWords",
        "check_font",
        "check_fonts",
        "family_weights",
        "find_fonts",
        "load_words",
        "render_word",
        "sample_word",
        "shipped_fonts",
        "write_mjsynth",
    ]


ALLOWED_RANDOM = {"default_rng", "Generator", "Philox", "SeedSequence"}
BANNED_MODULES = {"random", "pickle", "dill", "shelve", "marshal"}
BANNED_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}


def faults(tree):
    """List what no module of the house does, with its line."""
    found = []
    for node in ast.walk(tree):
        fault = None
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            fault = "bare except"
        elif isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            fault = next(iter(names & BANNED_MODULES), None)
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]} if not node.level else set()
            fault = next(iter(names & BANNED_MODULES), None)
            if node.module == "numpy.random":
                fault = "from numpy.random import"
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            is_root_logger = function == "logging.getLogger" and not node.args
            is_banned = function in BANNED_CALLS or function.rpartition(".")[2] == "basicConfig"
            fault = function if is_banned or is_root_logger else None
        elif isinstance(node, ast.Attribute):
            is_numpy = ast.unparse(node.value) in ("np.random", "numpy.random")
            fault = node.attr if is_numpy and node.attr not in ALLOWED_RANDOM else None
        if fault:
            found.append((node.lineno, fault))
    return found


@module_files()
def test_no_global_chance_and_nothing_unsafe(file):
    assert faults(parse(file)) == []


@pytest.mark.parametrize(
    "code",
    [
        "np.random.shuffle(x)",
        "import random",
        "from random import choice",
        "from numpy.random import rand",
        "try:\n  pass\nexcept:\n  pass",
        "eval(x)",
        "import pickle",
        "logging.basicConfig()",
        "logging.getLogger()",
        "yaml.load(x, Loader)",
        "yaml.unsafe_load(x)",
    ],
)
def test_the_faults_are_found(code):
    assert len(faults(ast.parse(code))) == 1


def test_the_good_ways_are_no_faults():
    code = (
        "rng = np.random.default_rng(0)\nmodel.eval_step(x)\nyaml.safe_load(x)\n"
        "logging.getLogger(__name__)\nkeras.ops.eval(x)\n"
        "try:\n  pass\nexcept ValueError:\n  pass\nrng.random()\n"
    )
    assert faults(ast.parse(code)) == []


# The page and its drawing

sys.path.insert(0, str(ROOT / "docs"))


def test_page_and_drawing_agree_with_the_code():
    import draw_house

    way_out = "Run `python docs/draw_house.py`."
    page = draw_house.PAGE.read_text(encoding="utf-8")
    assert draw_house.with_tables(page) == page, way_out
    assert draw_house.HOUSE.read_text(encoding="utf-8") == draw_house.draw(), way_out


def test_every_module_is_named_on_the_page_and_every_room_in_the_drawing():
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    drawing = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8")
    for name in map(module_name, FILES):
        own, _, inner = name.partition(".")
        rows = [line for line in page.splitlines() if line.startswith(f"| `{own}` |")]
        assert own in ("", "_extras") or (len(rows) == 1 and f"`{inner or own}`" in rows[0]), name
        assert own in ("", "_extras") or f">{own}</text>" in drawing


def test_the_page_is_right_about_keras():
    import draw_house

    imports = draw_house.room_imports(at_import=True)
    for floor in (0, 1, 2):
        for name in draw_house.floors()[floor]:
            assert "keras" not in draw_house.reach(name, imports), name


def test_an_import_more_changes_the_drawing(monkeypatch):
    import draw_house

    before, imports = draw_house.draw(), draw_house.room_imports()
    assert "keras" in imports["losses"]
    imports["pictures"].add("decoders")
    monkeypatch.setattr(draw_house, "room_imports", lambda *, at_import=False: imports)
    assert draw_house.arrows()["pictures"] == {"decoders"}
    assert draw_house.draw() != before
