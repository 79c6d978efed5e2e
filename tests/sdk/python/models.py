"""The model list, as the SDK's own types."""

from openai import NotFoundError
from openai.pagination import SyncPage
from openai.types import Model
from support import GPT, buys, check, client, run


@check
def the_list_is_strictly_valid_and_names_the_documented_models():
    raw = client().models.with_raw_response.list()
    page = SyncPage[Model].model_validate_json(raw.text, strict=True)
    assert page.object == "list"
    assert GPT in {model.id for model in page.data}
    assert GPT in {model.id for model in client().models.list()}


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
