"""Run the command line: ``python -m onnx_models``."""

import sys

from contracts.broken_pipe import ending_with_its_reader
from onnx_models.command_line.cli import main

if __name__ == "__main__":
    sys.exit(ending_with_its_reader(main))
