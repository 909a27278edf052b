"""The stages that touch pixels, in a sandboxed process: bytes and rules go in, files and facts come out."""
