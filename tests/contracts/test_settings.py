"""Settings are read from the environment, and an error names the variable that has an invalid value."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from contracts.settings import Settings, SettingsError, StoreSettings, help_text, setting


@dataclass(frozen=True)
class Oven(Settings):
    heat: float = setting("HEAT", 180.0, least=50, most=250, unit="degrees", help="How hot it gets.")
    trays: int = setting("TRAYS", 2, least=1, most=4, help="Trays in it.")
    fan: bool = setting("FAN", False, help="Whether the fan runs.")
    mode: str = setting("MODE", "top", choices=("top", "bottom", "both"), help="Which coils glow.")
    code: str = setting("CODE", "", secret=True, help="Opens the door.")


def test_an_empty_environment_gives_the_defaults() -> None:
    assert StoreSettings.read({}) == StoreSettings()
    assert StoreSettings.read({"TRIPTYCH_LEASE_S": "", "TRIPTYCH_REDIS_URL": "  "}) == StoreSettings()


def test_variables_override_the_defaults() -> None:
    variables = {
        "TRIPTYCH_REDIS_URL": "rediss://:secret@store:6380/1",
        "TRIPTYCH_LEASE_S": "3",
        "TRIPTYCH_MAX_CRASHES": "5",
    }
    assert StoreSettings.read(variables) == StoreSettings(
        redis_url="rediss://:secret@store:6380/1", lease_s=3.0, max_crashes=5
    )


def test_settings_are_frozen_and_do_not_print_the_password() -> None:
    settings = StoreSettings(redis_url="redis://:secret@store")
    assert "secret" not in repr(settings)
    with pytest.raises(FrozenInstanceError):
        settings.lease_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIPTYCH_REDIS_URL", "redis+cluster://store"),
        ("TRIPTYCH_REDIS_URL", "store:6379"),
        ("TRIPTYCH_LEASE_S", "soon"),
        ("TRIPTYCH_LEASE_S", "0.5"),
        ("TRIPTYCH_LEASE_S", "601"),
        ("TRIPTYCH_LEASE_S", "nan"),
        ("TRIPTYCH_LEASE_S", "inf"),
        ("TRIPTYCH_LEASE_S", "-1"),
        ("TRIPTYCH_LEASE_S", "1,5"),
        ("TRIPTYCH_MAX_CRASHES", "2.5"),
        ("TRIPTYCH_MAX_CRASHES", "0"),
        ("TRIPTYCH_MAX_CRASHES", "three"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}"):
        StoreSettings.read({name: value})


def test_a_refused_url_is_not_printed() -> None:
    with pytest.raises(SettingsError) as caught:
        StoreSettings.read({"TRIPTYCH_REDIS_URL": "http://:secret@store"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("OFF", False)])
def test_a_flag_has_many_spellings(text: str, expected: bool) -> None:
    assert Oven.read({"FAN": text}).fan is expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HEAT", "7000", "HEAT=7000: expected a number from 50 to 250 degrees"),
        ("HEAT", "hot", "HEAT=hot: expected a number from 50 to 250 degrees"),
        ("HEAT", "nan", "HEAT=nan: expected a number from 50 to 250 degrees"),
        ("TRAYS", "2.5", "TRAYS=2.5: expected a whole number from 1 to 4"),
        ("TRAYS", "inf", "TRAYS=inf: expected a whole number from 1 to 4"),
        ("FAN", "maybe", "FAN=maybe: expected 1 or 0"),
        ("MODE", "left", "MODE=left: expected top, bottom or both"),
    ],
)
def test_a_refusal_names_the_variable_and_what_is_expected(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Oven.read({name: value})
    assert str(caught.value) == message


def test_whole_numbers_may_be_written_with_an_exponent() -> None:
    assert Oven.read({"TRAYS": "3e0"}).trays == 3


def test_help_lists_every_setting_with_its_default() -> None:
    shown = help_text(Oven)
    assert "HEAT (default 180)\n      How hot it gets. From 50 to 250 degrees." in shown
    assert "MODE (default top)\n      Which coils glow. Values: top, bottom or both." in shown
    names = [line.split()[0] for line in shown.splitlines() if line[2] != " "]
    assert names == ["HEAT", "TRAYS", "FAN", "MODE", "CODE"]


def test_a_secret_is_not_part_of_the_representation() -> None:
    assert "4711" not in repr(Oven.read({"CODE": "4711"}))
