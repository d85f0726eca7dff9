"""From the prototxt of a training net to that of a deployable one, as an edit of the text.

    train_val.prototxt ─ parse, upgrade ─▶ net ─ selection ─▶ the layers that stay ─ rewrite ─▶ deploy.prototxt

What is not touched stays as it was written, comments and formatting included.

Example::

    deployed = deploy("train_val.prototxt", shapes={"data": (1, 3, 224, 224)})
    Path("deploy.prototxt").write_text(deployed.text)
"""

from caffe_bn_convert.deploy.run import Deployed, as_deployed, deploy, deploy_net

__all__ = ["Deployed", "as_deployed", "deploy", "deploy_net"]
