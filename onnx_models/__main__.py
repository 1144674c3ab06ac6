"""``python -m onnx_models``: see `cli`."""

import sys

from onnx_models.command_line.cli import main

if __name__ == "__main__":
    sys.exit(main())
