"""The environment is read once, and a variable that can't be used is named."""

from dataclasses import FrozenInstanceError

import pytest

from contracts.settings import Environment, SettingsError, StoreSettings


def test_nothing_set_gives_the_defaults() -> None:
    assert StoreSettings.read(Environment({})) == StoreSettings()
    assert StoreSettings.read(Environment({"TRIPTYCH_LEASE_S": "", "TRIPTYCH_REDIS_URL": "  "})) == StoreSettings()


def test_what_is_set_is_used() -> None:
    variables = {
        "TRIPTYCH_REDIS_URL": "rediss://:secret@store:6380/1",
        "TRIPTYCH_LEASE_S": "3",
        "TRIPTYCH_REPUBLISH_AFTER_S": "0.5",
        "TRIPTYCH_MAX_CRASHES": "5",
    }
    assert StoreSettings.read(Environment(variables)) == StoreSettings(
        redis_url="rediss://:secret@store:6380/1", lease_s=3.0, republish_after_s=0.5, max_crashes=5
    )


def test_settings_do_not_change_and_do_not_print_the_password() -> None:
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
        ("TRIPTYCH_REPUBLISH_AFTER_S", "-1"),
        ("TRIPTYCH_REPUBLISH_AFTER_S", "1,5"),
        ("TRIPTYCH_MAX_CRASHES", "2.5"),
        ("TRIPTYCH_MAX_CRASHES", "0"),
        ("TRIPTYCH_MAX_CRASHES", "three"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}"):
        StoreSettings.read(Environment({name: value}))


def test_a_refused_url_is_not_printed() -> None:
    with pytest.raises(SettingsError) as caught:
        StoreSettings.read(Environment({"TRIPTYCH_REDIS_URL": "http://:secret@store"}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("OFF", False)])
def test_a_flag_is_what_people_write(text: str, expected: bool) -> None:
    assert Environment({"FLAG": text}).flag("FLAG", not expected) is expected


def test_a_flag_that_is_neither_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"^FLAG=maybe"):
        Environment({"FLAG": "maybe"}).flag("FLAG")


def test_the_reader_says_what_it_expected() -> None:
    with pytest.raises(SettingsError, match="expected a number from 1 to 600"):
        Environment({"N": "7000"}).number("N", 5.0, least=1, most=600)
    with pytest.raises(SettingsError, match="expected a whole number"):
        Environment({"N": "2.5"}).integer("N", 5, least=1, most=600)
