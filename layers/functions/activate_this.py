"""Puts the layer's packages first on the path; the platform's launcher runs this file because of its name and place.

It is what `virtualenv` would write, without its tool: no PATH, no `.pth` files, nothing that a function needs.
"""
# ruff: noqa: INP001  a script that stands alone

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib would cost a cold start
sys.path.insert(0, os.path.join(os.path.dirname(_HERE), "lib", "python3.11", "site-packages"))  # noqa: PTH118, PTH120  ditto
