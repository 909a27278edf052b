"""HTTP as DigitalOcean Functions speak it: an event in, an answer out, and what stands between."""
