"""Domains and the filter are what libvirt's schemas allow, and close what they should."""

import copy
import ipaddress
import json
import subprocess
from pathlib import Path

import pytest
from lxml import etree  # type: ignore[import-untyped]

from tests.deploy.terraform import inputs
from tests.deploy.terraform.running import Terraform, write_variables

pytestmark = pytest.mark.deploy


@pytest.fixture
def outputs(terraform: Terraform, disks: Path, platform: str) -> dict[str, object]:
    """Apply the example and read what it gives to define.sh."""
    folder = "examples/baremetal"
    values = {**inputs.COMMON, **inputs.OWN["baremetal"], **inputs.release("baremetal", disks)}
    write_variables(terraform.tree / folder, "all", values | {"platform": platform})
    terraform.init(folder)
    terraform.run(folder, "apply", "-auto-approve", "-input=false", "-no-color")
    return {name: one["value"] for name, one in terraform.state(folder)["outputs"].items()}


@pytest.fixture
def domains(outputs: dict[str, dict[str, str]]) -> dict[str, etree._Element]:
    return {name: etree.fromstring(text) for name, text in outputs["domains"].items()}


both = pytest.mark.parametrize("platform", ["sev-snp", "tdx"])
snp = pytest.mark.parametrize("platform", ["sev-snp"])
tdx = pytest.mark.parametrize("platform", ["tdx"])


def schema(libvirt: Path, name: str) -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(libvirt / name))


def knows(libvirt: Path, platform: str) -> bool:
    return f"<value>{platform}</value>" in (libvirt / "domaincommon.rng").read_text()


@both
def test_domains_are_valid(domains: dict[str, etree._Element], libvirt: Path, platform: str):
    rules = schema(libvirt, "domain.rng")
    for domain in domains.values():
        found = copy.deepcopy(domain)
        if not knows(libvirt, platform):
            # An older libvirt: all but this is held to its schema.
            found.remove(found.find("launchSecurity"))
        rules.assertValid(found)


@both
def test_a_wrong_domain_is_found(domains: dict[str, etree._Element], libvirt: Path, platform: str):
    domain = copy.deepcopy(next(iter(domains.values())))
    domain.remove(domain.find("launchSecurity"))
    domain.find("devices/disk/target").set("bus", "virtual")
    assert not schema(libvirt, "domain.rng").validate(domain)


@snp
def test_the_filter_is_valid(outputs: dict[str, str], libvirt: Path):
    schema(libvirt, "nwfilter.rng").assertValid(etree.fromstring(outputs["filter"]))


@snp
def test_snp_launches_with_kernel_hashes_and_without_debugging(domains: dict[str, etree._Element]):
    for domain in domains.values():
        launch = domain.find("launchSecurity")
        assert (launch.get("type"), launch.get("kernelHashes")) == ("sev-snp", "yes")
        policy = int(launch.findtext("policy"), 16)
        # SEV-SNP firmware ABI, guest policy: 17 is always one, 16 SMT; 18 migration, 19 debug.
        assert policy == 1 << 17 | 1 << 16
        assert domain.findtext("os/kernel") == "/var/lib/openpcc/image/node.efi"
        assert domain.find("os/cmdline") is None
        assert domain.find("os/initrd") is None
        assert domain.findtext("cpu/model") == "EPYC-Genoa"


@tdx
def test_tdx_launches_without_debugging(domains: dict[str, etree._Element]):
    for domain in domains.values():
        launch = domain.find("launchSecurity")
        assert launch.get("type") == "tdx"
        # TDX module, ATTRIBUTES: 0 debug, 28 SEPT_VE_DISABLE.
        assert int(launch.findtext("policy"), 16) == 1 << 28
        assert launch.find("quoteGenerationService").get("path") == "/var/run/tdx-qgs/qgs.socket"
        assert domain.find("os/kernel") is None
        assert domain.find("os/boot").get("dev") == "hd"


@both
def test_nothing_in_a_domain_lets_anybody_in(domains: dict[str, etree._Element]):
    for domain in domains.values():
        devices = domain.find("devices")
        allowed = {"disk", "controller", "interface", "hostdev", "serial", "memballoon", "rng"}
        assert {one.tag for one in devices} <= allowed
        assert devices.find("serial").get("type") == "file"
        assert devices.find("memballoon").get("model") == "none"
        assert len(devices.findall("interface")) == 1
        assert devices.find("interface/filterref").get("filter") == "pcc-nodes"
        assert {one.tag for one in domain} <= {
            "name", "title", "memory", "vcpu", "os", "features", "cpu", "clock", "on_poweroff",
            "on_reboot", "on_crash", "devices", "launchSecurity",
        }  # fmt: skip
        assert [domain.findtext(f"on_{when}") for when in ("reboot", "crash")] == ["destroy"] * 2


@both
def test_the_hosts_disk_has_its_serial_number(domains: dict[str, etree._Element]):
    for domain in domains.values():
        node, host = domain.findall("devices/disk")
        assert (host.findtext("serial"), host.find("target").get("bus")) == (
            "openpcc-host",
            "virtio",
        )
        assert node.find("readonly") is not None
        assert host.find("readonly") is not None
        assert node.find("serial") is None


@snp
def test_each_node_has_its_own_address_card_and_device(
    domains: dict[str, etree._Element], outputs: dict[str, list[str]]
):
    assert sorted(domains) == ["pcc-node-1", "pcc-node-2"]
    cards = [one.find("devices/interface/mac").get("address") for one in domains.values()]
    assert [line.split(",")[0] for line in outputs["dhcp_hosts"]] == cards
    assert len(set(cards)) == 2
    assert all(int(card[:2], 16) & 3 == 2 for card in cards)
    found = [one.find("devices/hostdev/source/address").get("bus") for one in domains.values()]
    assert found == ["0x41", "0xc1"]


@snp
def test_the_filter_lets_in_gateways_and_monitoring_and_nothing_out(outputs: dict[str, str]):
    rules = etree.fromstring(outputs["filter"]).findall("rule")
    accepts = [rule for rule in rules if rule.get("action") == "accept"]
    inward = {
        (f"{one.get('srcipaddr')}/{one.get('srcipmask')}", one.get("dstportstart"))
        for rule in accepts
        for one in rule
        if rule.get("direction") == "in" and one.get("dstportstart") == one.get("dstportend")
    }
    assert inward == {("10.90.0.0/24", "8080"), ("10.91.0.16/28", "8081")}
    assert len([rule for rule in accepts if rule.get("direction") == "in"]) == 2
    assert all(ipaddress.ip_network(one) for one, *_ in inward)
    outward = [rule for rule in accepts if rule.get("direction") != "in"]
    assert [(r[0].tag, r[0].get("srcportstart"), r[0].get("dstportstart")) for r in outward] == [
        ("udp", "68", "67")
    ]
    drops = [rule for rule in rules if rule.get("action") == "drop"]
    whole = [(rule.get("direction"), rule[0].tag) for rule in drops]
    assert whole == [("inout", "all"), ("inout", "all-ipv6")]
    assert max(int(r.get("priority")) for r in accepts) < min(int(r.get("priority")) for r in drops)


@snp
def test_files_are_named_with_what_they_hold(outputs: dict[str, dict[str, str]], disks: Path):
    facts = json.loads((inputs.made("baremetal", disks) / "disks.json").read_text())
    assert outputs["files"] == {
        "/var/lib/openpcc/image/node.raw": facts["image_sha256"],
        "/var/lib/openpcc/image/host.raw": facts["files"]["host.raw"],
    }


@snp
def test_define_writes_what_terraform_made(
    terraform: Terraform, outputs: dict[str, dict[str, str]], tmp_path: Path, libvirt: Path
):
    script = terraform.tree / "examples" / "baremetal" / "define.sh"
    done = subprocess.run(
        [script, "--print", tmp_path / "xml"], env=dict(terraform.environment),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["pcc-node-1", "pcc-node-2"])
    assert "filter.xml validates" in done.stdout + done.stderr
    for name, text in outputs["domains"].items():
        assert (tmp_path / "xml" / f"{name}.xml").read_text().strip() == text.strip()


@snp
def test_define_knows_its_nodes(terraform: Terraform, outputs: dict[str, str]):
    script = terraform.tree / "examples" / "baremetal" / "define.sh"
    for arguments in ([], ["host"], ["host", "pcc-node-9"]):
        done = subprocess.run(
            [script, *arguments], env=dict(terraform.environment),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert "NODE" in done.stderr or "no node pcc-node-9" in done.stderr
