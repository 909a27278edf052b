"""Engines behind ports: faces and text."""
