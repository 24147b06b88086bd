"""What a node image measures to, for whoever builds and publishes it.

    python -m node_image.measure platforms IMAGE_DIR --model NAME=FOLDER -- --max-model-len 1024
    python -m node_image.measure model FOLDER

A thin shell: everything is computed in `attestation.measure`, by which clients audit the same
folder (docs/decisions/0020-measuring-lies-below.md).
"""

from attestation.measure.recompute import Values, measure

__all__ = ["Values", "measure"]
