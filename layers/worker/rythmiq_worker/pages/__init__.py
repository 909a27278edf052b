"""Pages in photographs: where one lies, how it is bent, and the page seen flat. No slot or receipt is known here."""
