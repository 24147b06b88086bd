"""Disks of a node in the forms that clouds take: the image, and the host's settings beside it.

python -m deploy.terraform.disks gcp --image DIR --settings host.toml --release HEX --out DIR
"""
