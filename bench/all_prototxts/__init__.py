"""Convert and prove every inference net of a folder of prototxts, with weights made on the spot."""
