"""Run the command line: ``python -m onnx_models``."""

import sys

from onnx_models.command_line.cli import main

if __name__ == "__main__":
    sys.exit(main())
