"""Has pages read by the text engine, each in a walled process of its own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq_worker.engines.child import FrameFile, read_page, write_frame
from rythmiq_worker.engines.text import ModelChoice, PageText

if TYPE_CHECKING:
    from PIL.Image import Image

    from rythmiq.contracts.portal import OcrLanguage
    from rythmiq.settings.worker import WorkerSettings


@dataclass(frozen=True, slots=True)
class Reader:
    """Implements `job.PageReader`.

    Attributes:
        settings: which engine, and where its models lie.
        language: of the text.
    """

    settings: "WorkerSettings"
    language: "OcrLanguage"

    def frame(self, image: "Image") -> FrameFile:
        """Write the picture where the process can map it."""
        return write_frame(image)

    def read(self, frame: object, *, turn: bool, timeout_s: float) -> PageText:
        """Read it.

        Raises:
            JobError: OCR_FAILED or OCR_TIMEOUT.
        """
        if not isinstance(frame, FrameFile):
            raise TypeError("a frame of this reader")
        return read_page(
            frame,
            turn=turn,
            timeout_s=timeout_s,
            engine=self.settings.ocr_engine,
            models=ModelChoice(self.language, self.settings.ocr_models_dir, self.settings.ocr_languages),
            walls_required=self.settings.sandbox == "required",
        )
