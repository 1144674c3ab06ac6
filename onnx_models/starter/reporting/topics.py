"""All topics of reports, always in the same order."""

from onnx_models.starter.reporting.incidents import INCIDENTS
from onnx_models.starter.reporting.town import TOWN
from onnx_models.starter.reporting.trade import TRADE

TOPICS = (*INCIDENTS, *TRADE, *TOWN)
