"""The conform engine: a picture and a slot's rules in, a file and its receipt out."""

from rythmiq_worker.conform.check import Checked, check, check_with_advice
from rythmiq_worker.conform.engine import Conformed, Labels, conform

__all__ = ["Checked", "Conformed", "Labels", "check", "check_with_advice", "conform"]
