"""Variables of the Terraform modules of nodes (deploy/terraform/README.md). Pure."""

import json

from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import File


def variables(found: Deployment, host_settings: str) -> File:
    """Give those that a deployment decides; the release's come from `deploy.terraform.disks`.

    Who may reach the nodes is said to Terraform alone: `allowed_gateway_cidrs` has no default.
    """
    values: dict[str, object] = {
        "service": found.answers.service,
        "name": found.answers.name,
        "node_count": found.answers.nodes,
        "host_settings": host_settings,
    }
    if found.answers.gateway_cidrs:
        values["allowed_gateway_cidrs"] = list(found.answers.gateway_cidrs)
    text = json.dumps(values, indent=2) + "\n"
    return File(path="operator/openpcc.auto.tfvars.json", data=text)
