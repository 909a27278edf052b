"""Sample files as people send them, drawn and photographed by code with fixed seeds.

Nothing is downloaded. The portrait is the public-domain NASA photo that scikit-image carries; everything else is drawn,
with fictional names and numbers, and marked SPECIMEN.
"""
