"""KerasFT: fine-tune transformers in Keras and TensorFlow, from a labelled CSV to a served model.

Names are loaded when first used, so that importing kerasft does not import TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasft import keras_setup

if TYPE_CHECKING:
    from kerasft import layers as layers
    from kerasft.adaptation import Adaptation as Adaptation
    from kerasft.adaptation import adapt as adapt
    from kerasft.architectures import Architecture as Architecture
    from kerasft.bake_off_report import BakeOff as BakeOff
    from kerasft.batch_prediction import predict_files as predict_files
    from kerasft.comparison import Comparison as Comparison
    from kerasft.comparison import compare_runs as compare_runs
    from kerasft.curve_measurement import learning_curve as learning_curve
    from kerasft.data.columns import Columns as Columns
    from kerasft.data.data_config import DataConfig as DataConfig
    from kerasft.data.dataset import Dataset as Dataset
    from kerasft.data.dataset import load_data as load_data
    from kerasft.data.quality import QualityReport as QualityReport
    from kerasft.data.quality import check_data as check_data
    from kerasft.data.recognise import Suggestion as Suggestion
    from kerasft.data.recognise import suggest_task as suggest_task
    from kerasft.errors import ArtifactError as ArtifactError
    from kerasft.errors import ConfigError as ConfigError
    from kerasft.errors import DataError as DataError
    from kerasft.errors import ExportError as ExportError
    from kerasft.errors import KerasFTError as KerasFTError
    from kerasft.errors import MissingPackageError as MissingPackageError
    from kerasft.errors import PresetError as PresetError
    from kerasft.errors import RunError as RunError
    from kerasft.errors import RunExistsError as RunExistsError
    from kerasft.evaluation.report import Report as Report
    from kerasft.explain import Explanation as Explanation
    from kerasft.hyper_search import search as search
    from kerasft.keras_level import batches as batches
    from kerasft.keras_level import build as build
    from kerasft.label_curve import LearningCurve as LearningCurve
    from kerasft.method_comparison import bake_off as bake_off
    from kerasft.model import FineTunedModel as FineTunedModel
    from kerasft.model import import_huggingface as import_huggingface
    from kerasft.model import load as load
    from kerasft.new_preset import NewPreset as NewPreset
    from kerasft.new_preset import create_preset as create_preset
    from kerasft.presets import list_presets as list_presets
    from kerasft.recipe import RunConfig as RunConfig
    from kerasft.reproduction import reproduce as reproduce
    from kerasft.run import finetune as finetune
    from kerasft.run import resume as resume
    from kerasft.sampling import Sampling as Sampling
    from kerasft.search_report import Search as Search
    from kerasft.seen_windows import SeenToken as SeenToken
    from kerasft.seen_windows import SeenWindow as SeenWindow
    from kerasft.seen_windows import preview as preview
    from kerasft.tasks.base import Learned as Learned
    from kerasft.tasks.causal_lm import CausalLM as CausalLM
    from kerasft.tasks.classification import TextClassification as TextClassification
    from kerasft.tasks.cloze import ClozeClassification as ClozeClassification
    from kerasft.tasks.embedding import TextEmbedding as TextEmbedding
    from kerasft.tasks.masked_lm import MaskedLM as MaskedLM
    from kerasft.tasks.multi_label import MultiLabelClassification as MultiLabelClassification
    from kerasft.tasks.question_answering import QuestionAnswering as QuestionAnswering
    from kerasft.tasks.regression import Regression as Regression
    from kerasft.tasks.token_classification import TokenClassification as TokenClassification
    from kerasft.training.options import TrainConfig as TrainConfig
    from kerasft.tuning.adapters import Adapters as Adapters
    from kerasft.tuning.bias_only import BiasOnly as BiasOnly
    from kerasft.tuning.freezing import FreezeLayers as FreezeLayers
    from kerasft.tuning.frozen import FrozenFeatures as FrozenFeatures
    from kerasft.tuning.full import Full as Full
    from kerasft.tuning.gradual_unfreezing import GradualUnfreezing as GradualUnfreezing
    from kerasft.tuning.layerwise_decay import LayerwiseDecay as LayerwiseDecay
    from kerasft.tuning.lora import LoRA as LoRA
    from kerasft.tuning.prefix_tuning import PrefixTuning as PrefixTuning
    from kerasft.tuning.prompt_tuning import PromptTuning as PromptTuning

__version__ = "0.1.0"

_HOMES = {
    "Adaptation": "adaptation",
    "BakeOff": "bake_off_report",
    "Adapters": "tuning.adapters",
    "Architecture": "architectures",
    "ArtifactError": "errors",
    "BiasOnly": "tuning.bias_only",
    "CausalLM": "tasks.causal_lm",
    "ClozeClassification": "tasks.cloze",
    "Columns": "data.columns",
    "Comparison": "comparison",
    "ConfigError": "errors",
    "DataConfig": "data.data_config",
    "DataError": "errors",
    "Dataset": "data.dataset",
    "Explanation": "explain",
    "ExportError": "errors",
    "FineTunedModel": "model",
    "FreezeLayers": "tuning.freezing",
    "FrozenFeatures": "tuning.frozen",
    "Full": "tuning.full",
    "GradualUnfreezing": "tuning.gradual_unfreezing",
    "KerasFTError": "errors",
    "LayerwiseDecay": "tuning.layerwise_decay",
    "Learned": "tasks.base",
    "LearningCurve": "label_curve",
    "LoRA": "tuning.lora",
    "MaskedLM": "tasks.masked_lm",
    "MissingPackageError": "errors",
    "MultiLabelClassification": "tasks.multi_label",
    "NewPreset": "new_preset",
    "PrefixTuning": "tuning.prefix_tuning",
    "PresetError": "errors",
    "PromptTuning": "tuning.prompt_tuning",
    "QualityReport": "data.quality",
    "QuestionAnswering": "tasks.question_answering",
    "Regression": "tasks.regression",
    "Report": "evaluation.report",
    "RunConfig": "recipe",
    "RunError": "errors",
    "RunExistsError": "errors",
    "Sampling": "sampling",
    "Search": "search_report",
    "SeenToken": "seen_windows",
    "SeenWindow": "seen_windows",
    "Suggestion": "data.recognise",
    "TextClassification": "tasks.classification",
    "TextEmbedding": "tasks.embedding",
    "TokenClassification": "tasks.token_classification",
    "TrainConfig": "training.options",
    "adapt": "adaptation",
    "bake_off": "method_comparison",
    "batches": "keras_level",
    "build": "keras_level",
    "check_data": "data.quality",
    "compare_runs": "comparison",
    "create_preset": "new_preset",
    "finetune": "run",
    "import_huggingface": "model",
    "layers": "layers",
    "learning_curve": "curve_measurement",
    "list_presets": "presets",
    "load": "model",
    "load_data": "data.dataset",
    "predict_files": "batch_prediction",
    "preview": "seen_windows",
    "reproduce": "reproduction",
    "resume": "run",
    "search": "hyper_search",
    "suggest_task": "data.recognise",
}
__all__ = sorted(_HOMES)

keras_setup.install()


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'kerasft' has no attribute {name!r}")
    module = importlib.import_module(f"kerasft.{home}")
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
