"""The conform engine: a picture and a slot's rules in, a file and its receipt out."""

from rythmiq_worker.conform.check import check
from rythmiq_worker.conform.engine import Conformed, Labels, conform

__all__ = ["Conformed", "Labels", "check", "conform"]
