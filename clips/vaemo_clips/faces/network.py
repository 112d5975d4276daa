"""One LiteRT network on one core."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import MissingExtraError

_STDERR = 2
_quieting = threading.Lock()


class Network:
    """A .tflite graph with one input picture of `side_px` x `side_px` and outputs by their last shapes.

    It holds its own buffers, so one instance serves one thread. Raises MissingExtraError without LiteRT.
    """

    def __init__(self, content: bytes) -> None:
        self._interpreter = _interpreter(content)
        (entry,) = self._interpreter.get_input_details()
        self.side_px = int(entry["shape"][1])
        self._entry = int(entry["index"])
        self._outputs = {tuple(int(n) for n in o["shape"]): int(o["index"]) for o in _outputs(self._interpreter)}
        self._input = np.zeros((1, self.side_px, self.side_px, 3), dtype=np.float32)

    def run(
        self, image: NDArray[np.uint8], scale: float, offset: float, *shapes: tuple[int, ...]
    ) -> list[NDArray[np.float32]]:
        """Outputs of the given `shapes` for `image` (side, side, 3), whose values enter as x * scale + offset."""
        np.multiply(image, np.float32(scale), out=self._input[0])
        self._input += np.float32(offset)
        self._interpreter.set_tensor(self._entry, self._input)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[shape]) for shape in shapes]


def _outputs(interpreter: Any) -> list[dict[str, Any]]:
    return list(interpreter.get_output_details())


def _interpreter(content: bytes) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("ai-edge-litert", "cues") from error
    with _without_info_lines():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _without_info_lines() -> Iterator[None]:
    """Keep LiteRT's `INFO: Created ... delegate` off the terminal; it heeds no log level. The rest is passed on."""
    if sys.stderr is None:
        yield
        return
    with _quieting, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        terminal = os.dup(_STDERR)
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if line and not line.startswith("INFO:"):
                    print(line, file=sys.stderr)  # noqa: T201 it was meant for stderr
