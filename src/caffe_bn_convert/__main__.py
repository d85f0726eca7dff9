"""``python -m caffe_bn_convert``."""

from caffe_bn_convert.cli import main

if __name__ == "__main__":
    main()
