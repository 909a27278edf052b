"""What an executor starts: one attempt of a job, from its dispatch to its reported result."""

from rythmiq_worker.launcher.attempt import launch, main

__all__ = ["launch", "main"]
