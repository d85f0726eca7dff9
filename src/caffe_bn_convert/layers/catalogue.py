"""What is said about layer types besides their code: who defined them, how they are proven, and what is missing.

``FORKS`` and ``WITNESSES`` list types by what is common to them; a type in neither is BVLC's own, and proven by the
outputs of a real Caffe. ``NOT_SUPPORTED`` holds the types that we know and do not convert.
"""

from __future__ import annotations

NOT_SUPPORTED: dict[str, str] = {}
"""Type → why it is not converted, and what to do instead: a sentence for the message and for docs/layers.md."""
