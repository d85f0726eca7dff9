# Two commands set everything up on a machine with Python >= 3.10 and nothing else:
#   make demo    convert fixtures/digits and print what was done
#   make test    run the tests
#   make bench   measure everything anew (bench/RESULTS.md)
#   make docs    write the generated pages of docs/ again
#   make schema  after a change of caffe.proto: write its descriptors again
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin

.PHONY: demo test check bench docs schema clean

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/caffe-bn-convert fixtures/digits/deploy.prototxt fixtures/digits/digits.caffemodel -o digits.onnx

test: $(VENV)/.ready
	$(BIN)/python -m pytest -q -n auto

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.ready
	$(BIN)/python -m bench.layers
	$(BIN)/python -m caffe_bn_convert.layers.page > docs/layers.md
	$(BIN)/python -m caffe_bn_convert.lint.page > docs/rules.md

schema: $(VENV)/.ready
	$(BIN)/python -m caffe_bn_convert.caffe.schema.compiler

bench: $(VENV)/.ready
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) digits.onnx
