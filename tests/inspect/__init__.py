# ruff: noqa: A005  (the tests mirror the package)
