"""`rythmiq doctor`: what is so with an operator's store, database and functions, probe by probe."""
