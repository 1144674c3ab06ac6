"""Which names an open gateway has, and the settings of names and addresses."""

import pytest

from contracts.settings import SettingsError
from services.gateway.http.errors import UnknownHost
from services.gateway.http.foreign_pages import AllowedHosts
from services.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("address", "host"),
    [("127.0.0.1", host) for host in ("localhost", "LOCALHOST:9", "localhost.", "app.localhost:1", "127.0.0.1:8080",
                                      "127.9.9.9", "[::1]:8080", "[::1]", "", "gateway", "Gateway:8080")]
    + [("10.0.0.5", "10.0.0.5:80"), ("10.0.0.5", "127.0.0.1"), ("fe80::1", "[FE80::1]:80"), ("fe80::1", "[fe80:0::1]"),
       ("0.0.0.0", "10.1.2.3:80"), ("::", "[2001:db8::1]"), ("::", "10.1.2.3"), ("box.example", "Box.Example:1")],
)  # fmt: skip
def test_names_of_a_gateway_are_allowed(address: str, host: str) -> None:
    AllowedHosts({"gateway"}, address).check(host)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "box.example"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "1",
     "0x7f000001", "127.0.0.1@evil.example", "gateway.evil.example", "[evil.example]", "*", "a b", "]"],
)  # fmt: skip
def test_other_names_are_refused_and_the_setting_is_named(address: str, host: str) -> None:
    with pytest.raises(UnknownHost, match="TRIPTYCH_ALLOWED_HOSTS"):
        AllowedHosts({"gateway"}, address).check(host)
    AllowedHosts({"*"}, address).check(host)


def test_other_addresses_are_refused_unless_the_gateway_listens_on_all() -> None:
    with pytest.raises(UnknownHost):
        AllowedHosts((), "127.0.0.1").check("10.0.0.1")
    AllowedHosts((), "0.0.0.0").check("10.0.0.1")


def test_an_address_of_ipv6_is_known_however_it_is_written() -> None:
    for host in ("[fd00::1]:80", "[FD00:0:0::1]"):
        AllowedHosts({"fd00::1"}, "127.0.0.1").check(host)


def test_names_are_read_with_or_without_brackets_and_never_with_ports() -> None:
    names = GatewaySettings.read({"TRIPTYCH_ALLOWED_HOSTS": " Gateway, api.example.org. ,[FD00:0::1],10.0.0.1,"})
    assert names.allowed_hosts == {"gateway", "api.example.org", "fd00::1", "10.0.0.1"}
    for wrong in ("gateway:8080", "http://gateway", "*.example.org", "a b"):
        with pytest.raises(SettingsError, match="TRIPTYCH_ALLOWED_HOSTS"):
            GatewaySettings.read({"TRIPTYCH_ALLOWED_HOSTS": wrong})


def test_an_address_of_ipv6_may_have_brackets() -> None:
    with_brackets, without = (GatewaySettings.read({"TRIPTYCH_HOST": host}) for host in ("[::1]", "::1"))
    assert with_brackets == without and with_brackets.on_loopback
