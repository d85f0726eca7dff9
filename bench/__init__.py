"""Measurements: how fast and how small a conversion is, beside a plain copy and beside other converters."""
