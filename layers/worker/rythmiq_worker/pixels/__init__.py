"""The stages that touch pixels, in a walled process: bytes and rules go in, files and facts come out."""
