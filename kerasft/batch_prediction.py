"""Many files of rows answered in parts, each written whole and once: here, or by the machines of a Ray cluster."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasft.alone import alone
from kerasft.bulk import WRITERS
from kerasft.cluster import joined
from kerasft.comparison import differing
from kerasft.config import read_json
from kerasft.data.columns import Columns
from kerasft.data.given_rows import as_split
from kerasft.data.read_options import ReadOptions
from kerasft.data.split import Split
from kerasft.errors import ConfigError, DataError, RunError
from kerasft.file_answers import answer_split
from kerasft.files import sha256, write_text
from kerasft.model import FineTunedModel, load
from kerasft.tasks import get_task

_EVERY = ReadOptions(every_record=True)
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Part:
    """Some rows of one file.

    Attributes:
        source: The file.
        start: First row, from 0.
        rows: How many.
        out: File of the answers.
    """

    source: str
    start: int
    rows: int
    out: str


def predict_files(
    folder: str | Path,
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    kind: str = "parquet",
    rows: int = 10_000,
    text: str | None = None,
    base: str | None = None,
    cluster: str | None = None,
    workers: int | None = None,
    on_part: Callable[[int, int], None] | None = None,
) -> int:
    """Answer every row of many files, exactly once, into files whose names in order give the rows in order.

    The work is cut into parts of `rows` rows. A part is written to a temporary name and renamed, so that it is there whole or not
    at all; begun again with the same folder, only parts that are absent are done.

    Args:
        folder: Of the run whose model answers.
        sources: A file, a pattern such as `in/*.csv`, or several; anything `load_data` reads, taken in the order of their names.
        out: Folder of the answers and of `plan.json`.
        kind: `parquet`, `csv` or `jsonl`.
        rows: Rows a part.
        text: Name of the text column, if it is another than in training.
        base: Preset or folder a parameter-efficient run was tuned from, if it is elsewhere now.
        cluster: Address of a Ray cluster (`cluster.joined`); files and folders must be seen by all its machines. None is this
            process.
        workers: Processes on the cluster, one for each machine when not given.
        on_part: Called with the parts that are done, and with all.

    Returns:
        How many rows there are.

    Raises:
        ConfigError: The folder holds answers of another model, other files or other options.
        DataError: A file cannot be read or lacks the column, or there is none.
        RunError: The cluster cannot be reached, another process is answering into the folder, or parts are still absent at the
            end.
    """
    if f".{kind}" not in WRITERS:
        raise ConfigError(f"'kind' must be one of {', '.join(name[1:] for name in WRITERS)}. Received: {kind!r}.")
    if rows < 1:
        raise ConfigError(f"'rows' must be at least 1. Received: {rows!r}.")
    model, target = Path(folder).expanduser().absolute(), Path(out).expanduser().absolute()
    saved = read_json(model / "run.json").get("model") if (model / "run.json").exists() else None
    if not saved:
        load(model)  # says what is absent
        raise RunError("This run has no model yet.", where=str(model))
    learned_with = Columns(**saved["columns"])
    paired = get_task(**saved["task"]).paired(learned_with)
    columns = Columns(text or learned_with.text, learned_with.text_pair if paired else None)
    parts = list(_parts(_files(sources), target, columns, kind, rows))
    target.mkdir(parents=True, exist_ok=True)
    with alone(target, "folder of answers"):
        _check_plan(target, parts, columns, sha256(model / "model.safetensors"))
        open_parts = [part for part in parts if not Path(part.out).exists()]
        done = len(parts) - len(open_parts)
        for _ in _answer((str(model), columns, base), open_parts, cluster, workers):
            done += 1
            if on_part:
                on_part(done, len(parts))
    absent = [part.out for part in parts if not Path(part.out).exists()]
    if absent:
        raise RunError(f"{len(absent)} parts are absent.", where=absent[0], hint="The same command does those that are.")
    return sum(part.rows for part in parts)


def _files(sources: str | Path | Sequence[str | Path]) -> list[str]:
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    found: list[str] = []
    for source in given:
        matching = sorted(glob.glob(str(source), recursive=True))
        there = [str(source)] if Path(source).is_file() else [path for path in matching if Path(path).is_file()]
        if not there:
            raise DataError("There is no such file.", where=str(source), hint="A pattern needs quotes: 'in/*.csv'.")
        found += there
    return [str(Path(path).absolute()) for path in dict.fromkeys(found)]


def _parts(files: list[str], out: Path, columns: Columns, kind: str, rows: int) -> Iterator[Part]:
    for number, source in enumerate(files):
        count = len(as_split(source, columns, need_label=False, how=_EVERY))
        for start in range(0, count, rows):
            name = f"{number:05d}-{start // rows:06d}.{kind}"
            yield Part(source, start, min(rows, count - start), str(out / name))


def _check_plan(out: Path, parts: list[Part], columns: Columns, model: str) -> None:
    """Note what is answered, or compare it with what was noted.

    Raises:
        ConfigError: It is another task.
    """
    files = {source: sha256(Path(source)) for source in dict.fromkeys(part.source for part in parts)}  # rows may change, too
    read = {"text": columns.text, "text_pair": columns.text_pair}
    plan = {"model": model, "columns": read, "files": files, "parts": {Path(part.out).name: asdict(part) for part in parts}}
    path = out / PLAN_FILE
    if path.exists():
        odd = [f"{name}: {old!r} -> {new!r}" for name, old, new in differing(read_json(path), plan)]
        if odd:
            hint = "Give what it was begun with, or choose another folder."
            raise ConfigError(f"The folder holds other answers. {'; '.join(odd[:3])}.", where=str(out), hint=hint)
        return
    write_text(path, json.dumps(plan, indent=1, ensure_ascii=False))


class Answerer:
    """Holds a model and answers parts; on a cluster one lives in each worker.

    Args:
        model: The run's folder.
        columns: The roles of the files' columns.
        base: Where the model's base is, if not where the run says.
    """

    def __init__(self, model: str, columns: Columns, base: str | None = None) -> None:
        self._model: FineTunedModel = load(model, base=base)
        self._columns = columns
        self._source = ""
        self._split: Split | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write one part, unless it is there."""
        part = Part(**row)
        if not Path(part.out).exists():
            if self._source != part.source:
                self._source, self._split = part.source, as_split(part.source, self._columns, need_label=False, how=_EVERY)
            assert self._split is not None
            answer_split(self._model, self._split.slice(part.start, part.rows), Path(part.out))
        return row


def _answer(how: tuple[Any, ...], parts: list[Part], cluster: str | None, workers: int | None) -> Iterator[Any]:
    """Have the parts answered, by `Answerer(*how)`; gives something for each that is done."""
    if not parts:
        return
    if cluster is None:
        answer = Answerer(*how)
        for part in parts:
            yield answer(asdict(part))
        return
    with joined(cluster) as ray:
        count = workers or sum(node["Alive"] for node in ray.nodes())
        data = ray.data.from_items([asdict(part) for part in parts], override_num_blocks=len(parts))
        pool = ray.data.ActorPoolStrategy(size=min(count, len(parts)))
        # A worker that dies is replaced, and its part, of which nothing is there, is done again.
        yield from data.map(Answerer, fn_constructor_args=how, compute=pool, num_cpus=1).iter_rows()
