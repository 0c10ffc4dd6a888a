# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which addresses the broker connects to for somebody else."""

from __future__ import annotations

import ipaddress

import pytest

from broker.embedded.endpoints import AddressPolicy, ForbiddenAddressError, split_http
from broker.embedded.problems import BadRequestDataError

STRICT = AddressPolicy((), setting="notify_allow")
CITY = AddressPolicy((ipaddress.ip_network("10.20.0.0/16"),), setting="notify_allow")


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert STRICT.allows(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:10.0.0.1",
    ],
)  # fmt: skip
def test_all_others_are_not(address: str) -> None:
    assert not STRICT.allows(address)


def test_the_operator_allows_networks() -> None:
    assert CITY.allows("10.20.30.40")
    assert CITY.allows("::ffff:10.20.30.40")
    assert not CITY.allows("10.21.0.1")


def test_an_address_in_a_uri_is_checked_without_a_resolver() -> None:
    with pytest.raises(ForbiddenAddressError, match="notify_allow"):
        STRICT.check_literal("http://[::ffff:127.0.0.1]:80/x")
    CITY.check_literal("http://10.20.30.40/x")
    STRICT.check_literal("http://name.example/x")


async def test_names_that_lead_inside_are_refused_and_unknown_ones_wait() -> None:
    with pytest.raises(BadRequestDataError, match=r"localhost .*notify_allow"):
        await STRICT.check("http://localhost/x")
    await STRICT.check("http://does-not-exist.invalid/x")


def test_ports_of_uris() -> None:
    assert split_http("https://a.example/x?y") == ("a.example", 443)
    assert split_http("http://a.example:8080") == ("a.example", 8080)
