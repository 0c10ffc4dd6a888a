# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which addresses the broker connects to for somebody else."""

from __future__ import annotations

import ipaddress

import aiohttp
import pytest

from broker.embedded.endpoints import AddressPolicy, ForbiddenAddressError, split_http
from broker.embedded.problems import BadRequestDataError
from tests.embedded_serving import LOOPBACK, LOOPBACK_SPELLINGS, listening

STRICT = AddressPolicy((), setting="notify_allow")
LOCAL = AddressPolicy(LOOPBACK, setting="notify_allow")
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


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_loopback_is_seen_however_it_is_spelt(host: str) -> None:
    with pytest.raises(ForbiddenAddressError, match=r"127\.0\.0\.1.*notify_allow"):
        STRICT.check_literal(f"http://{host}/x")
    with pytest.raises(BadRequestDataError, match=r"127\.0\.0\.1.*notify_allow"):
        await STRICT.check(f"http://{host}/x")


def test_an_interface_that_this_machine_lacks_is_no_name() -> None:
    with pytest.raises(ForbiddenAddressError, match="notify_allow"):
        STRICT.check_literal("http://[fe80::1%25nowhere]/x")


async def test_no_socket_is_opened_to_what_is_not_allowed() -> None:
    """Whatever the checks before it have overlooked."""
    async with listening() as receiver, STRICT.session(timeout=20, connections=1) as session:
        with pytest.raises(aiohttp.ClientConnectorError, match="notify_allow"):
            await session.post(receiver.url, data=b"{}")
        assert receiver.got.empty()
    async with listening() as receiver, LOCAL.session(timeout=20, connections=1) as session:
        async with session.post(receiver.url, data=b"{}") as response:
            assert response.status == 200
        assert not receiver.got.empty()


async def test_names_that_lead_inside_are_refused_and_unknown_ones_wait() -> None:
    with pytest.raises(BadRequestDataError, match=r"localhost .*notify_allow"):
        await STRICT.check("http://localhost/x")
    await STRICT.check("http://does-not-exist.invalid/x")


def test_ports_of_uris() -> None:
    assert split_http("https://a.example/x?y") == ("a.example", 443)
    assert split_http("http://a.example:8080") == ("a.example", 8080)
    assert split_http("http://user@①.example.①②⑦.0.0.1.example") == ("1.example.127.0.0.1.example", 80)


@pytest.mark.parametrize(
    "uri",
    ["", "/x", "http:", "http:///x", "ftp://a.example/", "http://a.example:99999/", "http://[::1/",
     "http://a.example:0/", "http://a b.example/", "http://a.example\\@b.example/", 5, None],
)  # fmt: skip
def test_what_is_no_http_uri_is_refused(uri: object) -> None:
    with pytest.raises(BadRequestDataError):
        split_http(uri)
