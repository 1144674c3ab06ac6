"""Errors name the fields of the route that the client called, not those of the task behind it."""

import pytest

from contracts.errors import InvalidRequest
from services.gateway.http.field_renaming import field_renaming

CHAT = {"inputs.messages": "messages", "inputs": "messages", "parameters.": ""}


@pytest.mark.parametrize(
    ("names", "param", "message", "shown"),
    [
        (CHAT, "inputs.messages", "inputs.messages has 9 tokens. Set parameters.truncate to 'left'.",
         "messages has 9 tokens. Set truncate to 'left'."),
        (CHAT, "inputs.messages", "parameters.max_new_tokens asks for 9 more.", "max_new_tokens asks for 9 more."),
        ({"inputs": "prompt"}, "inputs[3]", "inputs[3] has 9 tokens.", "prompt[3] has 9 tokens."),
        ({"inputs[0]": "q"}, "inputs[0]", "inputs[0] is wrong; parameters.x has no name here.",
         "q is wrong; parameters.x has no name here."),
        (CHAT, "inputs", "Send the inputs in several requests.", "Send the inputs in several requests."),
    ],
)  # fmt: skip
def test_param_and_message_have_the_names_of_the_route(
    names: dict[str, str], param: str, message: str, shown: str
) -> None:
    with pytest.raises(InvalidRequest) as caught, field_renaming(names):
        raise InvalidRequest(message, param=param)
    assert caught.value.message == shown
    assert not (caught.value.param or "").startswith("inputs")
