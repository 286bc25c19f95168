"""The whole road without a screen: check, fine-tune, evaluate, predict, export, replay; ends with a table.

`make demo` runs it. Options: `python -m kerasft_app.examples.demo --preset NAME --data FILE --out FOLDER --epochs N`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import kerasft as kft
from kerasft.errors import KerasFTError
from kerasft.presets import DEFAULT_PRESET
from kerasft.progress import TerminalProgress, clock

TICKETS = Path(__file__).parent / "tickets.csv"


def main() -> int:
    """Do the road and print what came out."""
    parser = argparse.ArgumentParser(description="KerasFT from a CSV to a served model, without a screen.")
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--data", default=str(TICKETS))
    parser.add_argument("--out", default=None, help="folder of the run; a temporary one by default")
    parser.add_argument("--epochs", type=int, default=None)
    given = parser.parse_args()
    try:
        return road(given.preset, given.data, given.out, given.epochs)
    except KerasFTError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2


def road(preset: str, path: str, out: str | None, epochs: int | None) -> int:
    """Check, fine-tune, evaluate, predict, export, replay."""
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="kerasft-demo-")) / "tickets"
    begun = time.monotonic()
    print("== 1. Check the data", flush=True)
    data = kft.load_data(path, validation=0.15, test=0.15)
    print(kft.check_data(data, kft.TextClassification()))
    print("== 2. Fine-tune", flush=True)
    progress = TerminalProgress(sys.stdout)
    model = kft.finetune(preset, data, train=kft.TrainConfig(epochs=epochs), out=folder, on_event=progress)
    if progress.stopped:
        print(f"Stopped. Go on with: kerasft resume {folder}")
        return 3
    trained = time.monotonic()
    print("\n== 3. Evaluate on rows the training never saw", flush=True)
    report = model.evaluate(data["test"])
    print(report)
    print("== 4. Predict", flush=True)
    for text in (
        "Where is my parcel? The tracking has not moved for a week.",
        "The lamp flickers and then goes out.",
        "You made my day!",
    ):
        answer = model.predict(text)
        print(f"{answer.label:10} {answer.score:.2f}  {text}")
    print("\n== 5. Export for TensorFlow Serving and replay in a fresh process", flush=True)
    serving = model.export(folder / "serving" / "1")
    replay = model.replay(serving, data["validation"])
    print(f"{replay}\n")
    size = sum(file.stat().st_size for file in serving.rglob("*") if file.is_file())
    rows = [
        ("rows (train / validation / test)", " / ".join(f"{len(data[name]):,}" for name in ("train", "validation", "test"))),
        ("training", clock(trained - begun)),
        (
            "test accuracy",
            f"{report.metrics['accuracy']:.3f}  (always the most frequent label: {report.baseline['accuracy']:.3f})",
        ),
        (
            "test macro F1",
            f"{report.metrics['macro_f1']:.3f}  (always the most frequent label: {report.baseline['macro_f1']:.3f})",
        ),
        ("exported model", f"{serving} ({size / 1e6:.0f} MB)"),
        ("replay", "equal" if replay.passed else "DIFFERENT"),
        ("run", str(folder)),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {value}" for name, value in rows))
    return 0 if replay.passed else 1


if __name__ == "__main__":
    sys.exit(main())
