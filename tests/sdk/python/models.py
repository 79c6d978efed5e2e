"""The model list, as the SDK's own types."""

from harness import CLAUDE, GPT, buys, check, journal, run, user
from openai import NotFoundError
from openai.pagination import SyncPage
from openai.types import Model
from support import client, strict_completion, strict_stream


@check
def the_list_is_strictly_valid_and_names_the_documented_models():
    raw = client().models.with_raw_response.list()
    page = SyncPage[Model].model_validate_json(raw.text, strict=True)
    assert page.object == "list"
    assert GPT in {model.id for model in page.data}
    assert GPT in {model.id for model in client().models.list()}


@check
def aliases_are_listed_where_they_name_one_model():
    listed = {model.id for model in client().models.list()}
    assert "gpt-4o" in listed
    assert not any("*" in model for model in listed)
    assert client().models.retrieve("gpt-4o").id == "gpt-4o"


@check
def an_answer_names_the_model_that_was_asked_for_and_a_header_the_other():
    for asked, served in (("gpt-4o", GPT), ("claude-3-5-sonnet-latest", CLAUDE), (GPT, GPT)):
        raw = client().chat.completions.with_raw_response.create(model=asked, messages=user("hello"))
        assert strict_completion(raw.text).model == asked
        assert raw.headers["x-foxbridge-model"] == served
        assert journal()["submissions"][-1]["model"] == served
        assert {chunk.model for chunk in strict_stream(model=asked, messages=user("hello"))} == {asked}


@check
def one_model_is_strictly_valid():
    raw = client().models.with_raw_response.retrieve(GPT)
    assert Model.model_validate_json(raw.text, strict=True).id == GPT


@check
def an_unknown_model_is_not_found():
    for unknown in ("gpt-2", "a/b", "what is this?"):
        try:
            client().models.retrieve(unknown)
        except NotFoundError as error:
            assert error.code == "model_not_found", error.code
            assert unknown in error.message, error.message
            assert error.request_id
        else:
            raise AssertionError(f"{unknown} was found")


@check
def looking_at_models_buys_nothing():
    with buys(0):
        client().models.list()


run()
