"""What a frozen backbone says of each row, computed once and kept on disk: inputs of a head that is trained by itself."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kerasft.preprocessing.batching import Feed, pad_rows, predict_rows
from kerasft.preprocessing.encoding import Encoded


class Features(Feed):
    """The outputs of a frozen model for encoded rows, as the inputs of what follows it.

    They take 4 bytes a number: 1,000 texts of 50 tokens, 384 wide, are 77 MB where the head reads every token, 1.5 MB
    where it reads one vector a text.

    Args:
        model: Keras model, (B, H) or (B, L, H) out.
        encoded: The rows.
        with_mask: Whether what follows reads the padding mask too.
        batch_size: Rows a call of the model.
        progress: Called after each batch with the share that is done, 0 to 1; may raise.

    Attributes:
        values: (W, H) a vector of each window, or (T, H) of each token; memory-mapped.
    """

    def __init__(
        self,
        model: Any,
        encoded: Encoded,
        *,
        with_mask: bool,
        batch_size: int = 64,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(encoded)
        self._with_mask = with_mask
        self._per_token = len(model.output_shape) == 3
        folder = Path(tempfile.mkdtemp(prefix="kerasft-features-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

        def room(shape: tuple[int, ...]) -> np.ndarray:
            made = np.lib.format.open_memmap(folder / "features.npy", mode="w+", dtype=np.float32, shape=shape)
            shutil.rmtree(folder, ignore_errors=True)  # as in `encode`: a process that is killed leaves nothing behind
            return made

        self.values = predict_rows(model, encoded, batch_size, room=room, progress=progress)
        length = (None,) if self._per_token else ()
        self.signature = {"features": tf.TensorSpec((None, *length, model.output_shape[-1]), tf.float32)}
        if with_mask:
            self.signature["padding_mask"] = tf.TensorSpec((None, None), tf.int32)

    def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs of some rows, padded alike with the token ids `pad_rows` would give."""
        if not self._per_token:
            return {"features": self.values[rows]}
        mask = pad_rows(self.encoded, rows, multiple=self.multiple)["padding_mask"]
        made = np.zeros((*mask.shape, self.values.shape[-1]), dtype=np.float32)
        for i, row in enumerate(rows):
            first, last = self.encoded.offsets[row : row + 2]
            made[i, : last - first] = self.values[first:last]
        return {"features": made, **({"padding_mask": mask} if self._with_mask else {})}
