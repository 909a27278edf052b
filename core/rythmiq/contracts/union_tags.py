"""How pydantic calls the members of a union in the place of an error; no field of ours is called so."""

ONE, BY_PAGE = "one", "by page"
"""What is one for all pages, and a list by page."""
