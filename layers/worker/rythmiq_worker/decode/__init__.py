"""Files of any format to upright sRGB pixels."""
