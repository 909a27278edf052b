"""The `rythmiq` command."""
