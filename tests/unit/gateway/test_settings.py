"""Settings of the gateway: defaults, default models, and which addresses need keys."""

import pytest

from contracts.settings import SettingsError
from services.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("example.org", False)],
)  # fmt: skip
def test_only_loopback_addresses_are_open_by_default(host: str, loopback: bool) -> None:
    settings = GatewaySettings.read({"TRIPTYCH_HOST": host})
    assert settings.on_loopback is loopback
    assert settings.always_needs_key is not loopback
    assert not GatewaySettings.read({"TRIPTYCH_HOST": host, "TRIPTYCH_ALLOW_OPEN": "1"}).always_needs_key


def test_settings_have_the_defaults_that_they_document() -> None:
    assert GatewaySettings.read({"TRIPTYCH_GATEWAY_PROCESSES": "1"}) == GatewaySettings()
    models = GatewaySettings.read({"TRIPTYCH_DEFAULT_MODELS": " embed = a , classify=b "}).default_models
    assert models == {"embed": "a", "classify": "b"}
    models = GatewaySettings.read({"TRIPTYCH_DEFAULT_MODELS": "feature-extraction=a"}).default_models
    assert models == {"embed": "a"}
    for wrong in ("embed", "fly=a", "ner=a"):
        with pytest.raises(SettingsError, match=r"TRIPTYCH_DEFAULT_MODELS=.*: expected .* of embed, classify, "):
            GatewaySettings.read({"TRIPTYCH_DEFAULT_MODELS": wrong})
