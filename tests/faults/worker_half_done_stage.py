"""A stage that forgets its part: nothing was judged."""

from rythmiq_worker.__main__ import main
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.stages import quality as stage

quality = stage.quality


def forgetful(frame: Frame, ctx: Context) -> None:
    """Do the work and lose the result."""
    quality(frame, ctx)
    frame.quality = None


vars(stage)["quality"] = forgetful
main()
