"""An error whose words quote the upload's name, a key and a path."""

from rythmiq_worker.__main__ import main
from rythmiq_worker.job import Conformed, Context
from rythmiq_worker.stages import upload as stage


def quoting(_made: Conformed, ctx: Context) -> None:
    """Raise with everything that must not be seen."""
    secret = ctx.settings.spaces_secret.get_secret_value()
    raise RuntimeError(f"{ctx.payload.input.original_filename} {secret} {ctx.payload.input.raw_path}")


vars(stage)["upload"] = quoting
main()
