"""The example for Amazon, applied and destroyed by the real provider.

The cloud is moto on this machine: it answers as Amazon's API does, without machines behind it.
"""

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.deploy.terraform import inputs
from tests.deploy.terraform.running import Terraform, write_variables
from tests.deploy.tools import tool

pytestmark = pytest.mark.deploy

FOLDER = "examples/aws"
PROVIDER = """
provider "aws" {
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    ec2 = "CLOUD"
  }
}
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[str]:
    """Run moto on a port of its own; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path / "moto.log").open("wb") as log:
        server = subprocess.Popen(
            [tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("moto does not answer")


def account(cloud: str) -> Any:
    return boto3.client(
        "ec2", region_name="us-east-2", endpoint_url=cloud,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


def snapshots(ec2: Any) -> dict[str, str]:
    """Make what an import would: a snapshot of each disk."""
    found = {}
    for name in ("node", "host"):
        volume = ec2.create_volume(AvailabilityZone="us-east-2a", Size=1)["VolumeId"]
        found[name] = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    return found


def running(ec2: Any) -> list[dict[str, Any]]:
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    pages = ec2.describe_instances(Filters=states)["Reservations"]
    return [one for page in pages for one in page["Instances"]]


@pytest.mark.timeout(400)
def test_nodes_are_made_and_unmade(terraform: Terraform, aws: Path, cloud: str, disks: Path):
    ec2 = account(cloud)
    values = {**inputs.COMMON, **inputs.EXAMPLE["aws"], **inputs.release("aws", disks)}
    write_variables(terraform.tree / FOLDER, "all", {**values, "snapshots": snapshots(ec2)})
    override = terraform.tree / FOLDER / "cloud_override.tf"
    override.write_text(PROVIDER.replace("CLOUD", cloud))
    terraform.init(FOLDER)
    terraform.run(FOLDER, "apply", "-auto-approve", "-input=false", "-no-color")

    said = terraform.state(FOLDER)["outputs"]
    nodes = running(ec2)
    addresses = sorted(one["PrivateIpAddress"] for one in nodes)
    assert addresses == said["addresses"]["value"] == ["10.82.0.4", "10.82.0.5"]
    for node in nodes:
        given = {name for name, value in node.items() if value}
        assert not {"KeyName", "IamInstanceProfile", "PublicIpAddress"} & given
        assert node["InstanceType"] == "m6a.2xlarge"
        (card,) = node["NetworkInterfaces"]
        (group,) = card["Groups"]
        closed(ec2, group["GroupId"])
    disks_of = [{one["DeviceName"] for one in node["BlockDeviceMappings"]} for node in nodes]
    assert all("/dev/sdh" in names for names in disks_of)
    assert not ec2.describe_internet_gateways()["InternetGateways"]

    terraform.run(FOLDER, "destroy", "-refresh=false", "-auto-approve", "-input=false", "-no-color")
    assert running(ec2) == []


def closed(ec2: Any, group: str) -> None:
    """Two ports in, nothing out."""
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert found["IpPermissionsEgress"] == []
    assert {
        (one["FromPort"], one["ToPort"], *(r["CidrIp"] for r in one["IpRanges"]))
        for one in found["IpPermissions"]
    } == {(8080, 8080, "10.90.0.0/24"), (8081, 8081, "10.91.0.16/28")}
