"""DNS for discovery: names become addresses, within a time and a size.

Names are absolute: no search list is tried, so that a question goes nowhere but where it is meant
to. An answer is used for one thing, where nodes may be; what a node is, its evidence says. All that
can go wrong is one error, whose text holds no name and no address.
"""

import asyncio
import ipaddress
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV
from dns.rdata import Rdata

from gateway.errors import UpstreamError
from gateway.values import is_host_name

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_RECORDS = 4096
"""Records of one answer that are read. 64 KiB, the most that DNS can carry, hold no more."""

PARALLEL = 32
"""Questions asked at one time."""

METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""Metadata services that are not link-local: AWS and Google over IPv6, Alibaba, Azure, Oracle."""

NAT64 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))
"""RFC 6052, section 2.1; and the compatible addresses of RFC 4291, section 2.5.5.1."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One SRV record, without its order: clients draw nodes, and gateways choose by load."""

    name: str
    port: int


class Resolver:
    """Asks the system's DNS servers, or others."""

    def __init__(self, servers: Sequence[tuple[str, int]], *, within: float) -> None:
        """Ask `servers`, addresses and ports; none: those of the system, as they are then."""
        self._servers = tuple(servers)
        self._within = within
        self._slots = asyncio.Semaphore(PARALLEL)

    async def addresses(self, name: str) -> tuple[Address, ...]:
        """Give the addresses of a name, IPv4 first, in order.

        Raises:
            UpstreamError: no answer in time, or none that can be used.
        """
        kinds = dns.rdatatype.A, dns.rdatatype.AAAA
        answers = await asyncio.gather(*(self._ask(name, kind) for kind in kinds))
        found = {
            ipaddress.ip_address(record.address)
            for record in itertools.chain(*answers)
            if isinstance(record, (dns.rdtypes.IN.A.A, dns.rdtypes.IN.AAAA.AAAA))
        }
        usable = [one for one in found if not _unusable(one)]
        if not usable:
            raise UpstreamError("a name has no address")
        return tuple(sorted(usable, key=lambda one: (one.version, int(one))))

    async def targets(self, name: str) -> tuple[Target, ...]:
        """Give the targets of an SRV name, in order.

        Raises:
            UpstreamError: no answer in time, or none that can be used.
        """
        records = await self._ask(name, dns.rdatatype.SRV)
        found = {
            Target(name=target, port=record.port)
            for record in records
            if isinstance(record, dns.rdtypes.IN.SRV.SRV)
            and is_host_name(target := record.target.to_text(omit_final_dot=True).lower())
            and record.port
        }
        if not found:
            raise UpstreamError("a name has no targets")
        return tuple(sorted(found, key=lambda one: (one.name, one.port)))

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> list[Rdata]:
        """Give the records of one kind; an answer without any is an empty list."""
        try:
            async with self._slots, asyncio.timeout(self._within):
                answer = await self._resolver().resolve(
                    f"{name}.", kind, search=False, raise_on_no_answer=False, lifetime=self._within
                )
        except (dns.exception.DNSException, OSError) as error:  # TimeoutError is an OSError
            raise UpstreamError(f"DNS gave no answer ({type(error).__name__})") from error
        return list(answer.rrset or ())[:MAX_RECORDS]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Make one anew for each question: the system's servers may have changed."""
        if not self._servers:
            return dns.asyncresolver.Resolver()
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers
        ]
        return resolver


def _unusable(address: Address) -> bool:
    """Say whether nothing of ours can be there, also as an IPv6 address that means an IPv4 one.

    Link-local holds most clouds' metadata services; `METADATA` are those elsewhere.
    """
    inner = _inner(address)
    if inner is not None and _unusable(inner):
        return True
    kinds = address.is_multicast, address.is_unspecified, address.is_link_local
    return any(kinds) or address in METADATA


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that an IPv6 one is a spelling of: mapped, 6to4, or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
