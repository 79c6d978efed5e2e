"""What is kept of responses: conversations, items, and how all of it is deleted."""

import time

import openai
from harness import GPT, KIMI, buys, check, marked, run, user
from openai.types.responses import ResponseItemList
from support import client, create, refused, retrieve, sent, strict_events, without_strangers

TOWN = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
WEATHER = {"type": "function", "name": "get_weather", "parameters": TOWN}
ASKED = "What is the weather in Paris? Use the tool get_weather."


def gone(response_id, **options):
    """Whoever asks for it is told that there is no such response."""
    responses = client(**options).responses
    calls = (responses.retrieve, responses.delete, responses.cancel, responses.input_items.list)
    for call in (*calls, lambda response_id: responses.retrieve(response_id, stream=True)):
        error = refused(openai.NotFoundError, call, response_id)
        assert error.code == "response_not_found" and error.request_id, error
    for request in ({"previous_response_id": response_id}, {"previous_response_id": response_id, "stream": True}):
        error = refused(openai.BadRequestError, responses.create, model=GPT, input="hello", **request)
        assert (error.code, error.param) == ("previous_response_not_found", "previous_response_id"), error


@check
def a_conversation_goes_on_from_any_of_its_responses():
    for model in (GPT, KIMI):
        first = create("1+1?", model=model, instructions="Be terse.")
        with buys(1):
            second = strict_events(model=model, input="3+3?", previous_response_id=first.id)[-1].response
        begun = [("user", "1+1?"), ("assistant", first.output_text), ("user", "3+3?")]
        assert second.previous_response_id == first.id and sent() == begun
        third = create(user("5+5?"), model=model, instructions="Be kind.", previous_response_id=second.id)
        (_, instructions), *rest = sent()
        assert instructions == third.instructions == "Be kind."
        assert rest == [*begun, ("assistant", second.output_text), ("user", "5+5?")]
        create("or 7+7?", model=model, previous_response_id=first.id)
        assert sent() == [*begun[:2], ("user", "or 7+7?")]


@check
def a_tool_s_result_finds_its_call_in_the_response_before():
    called = create(ASKED, tools=[WEATHER])
    (call,) = called.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "clear-as-glass"}
    answer = create([result], tools=[WEATHER], previous_response_id=called.id)
    assert [role for role, _ in sent()] == ["user", "assistant", "tool"]
    assert "The tool get_weather answered: “clear-as-glass”" in answer.output_text


@check
def an_item_is_found_by_its_id():
    first = create("1+1?")
    (item,) = first.output
    for reference in ({"type": "item_reference", "id": item.id}, {"id": item.id}):
        create([reference, *user("so?")])
        assert sent() == [("assistant", first.output_text), ("user", "so?")]
    for unknown, options in (("msg_unknown_0", {}), (item.id, {"api_key": "sk-someone-else"})):
        reference = {"type": "item_reference", "id": unknown}
        with buys(0):
            try:
                client(**options).responses.create(model=GPT, input=[reference, *user("so?")])
            except (openai.BadRequestError, openai.NotFoundError) as error:
                assert error.param.startswith("input[0]") and unknown in error.message, error
            else:
                raise AssertionError(f"{unknown} was found")


@check
def a_response_is_kept_until_it_is_deleted():
    for model in (GPT, KIMI):
        made = create("hello", model=model, metadata={"ticket": "42"})
        streamed = strict_events(model=model, input="hello")[-1].response
        with buys(0):
            assert retrieve(made.id) == made and retrieve(streamed.id) == streamed
            included = client().responses.retrieve(made.id, include=["reasoning.encrypted_content"])
            assert included.output_text == made.output_text
            gone(made.id, api_key="sk-someone-else")
            assert retrieve(made.id) == made, "only its owner deletes it"
            deleted = client().responses.with_raw_response.delete(made.id).http_response.json()
            assert deleted == {"id": made.id, "object": "response", "deleted": True}
            gone(made.id)
            assert retrieve(streamed.id) == streamed


@check
def a_response_in_the_background_is_hidden_and_deleted_like_any():
    for wait in (0, 1):
        running = create(marked("words=12 queue=300ms"), background=True)
        time.sleep(wait)
        with buys(0):
            gone(running.id, api_key="sk-someone-else")
            client().responses.delete(running.id)
            gone(running.id)


@check
def what_is_not_to_be_kept_or_never_was_is_not_found():
    unkept = create(store=False)
    followed = strict_events(model=GPT, input="hello", store=False)[-1].response
    for unknown in (unkept.id, followed.id, "resp_unknown", "resp_", "chatcmpl-1", "resp_" + "x" * 300):
        with buys(0):
            gone(unknown)
    going_on = create("so?", store=False, previous_response_id=create("1+1?").id)
    assert [role for role, _ in sent()] == ["user", "assistant", "user"]
    gone(going_on.id)


@check
def input_items_are_listed_page_by_page():
    call = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"town":"Paris"}'}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "clear-as-glass"}
    seen = {"type": "input_image", "image_url": "https://example.com/x.png", "detail": "high"}
    parts = [{"type": "input_text", "text": "describe this"}, seen]
    items = [{"role": "developer", "content": "Be kind."}, *user(parts), {"role": "assistant", "content": "A fox."}]
    response = create([*items, call, result, *user("Thank you.")], tools=[WEATHER], instructions="Be brief.")
    raw = client().responses.input_items.with_raw_response.list(response.id, order="asc")
    page = ResponseItemList.model_validate_json(raw.text, strict=True)
    without_strangers(page)
    kinds = [getattr(item, "role", item.type) for item in page.data]
    assert kinds == ["developer", "user", "assistant", "function_call", "function_call_output", "user"]
    ids = [item.id for item in page.data]
    assert len(set(ids)) == len(ids) and (page.first_id, page.last_id) == (ids[0], ids[-1]) and not page.has_more
    assert page.data[1].to_dict()["content"] == parts
    listing = client().responses.input_items.list
    assert [item.id for item in listing(response.id)] == ids[::-1]
    for limit in (1, 2, 3, 100):
        assert [item.id for item in listing(response.id, order="asc", limit=limit)] == ids, limit
        assert [item.id for item in listing(response.id, limit=limit)] == ids[::-1], limit
    first = listing(response.id, order="asc", limit=2)
    assert first.has_more and [item.id for item in first.data] == ids[:2]
    after = listing(response.id, order="asc", limit=2, after=ids[3])
    assert [item.id for item in after.data] == ids[4:] and not after.has_more
    (plain,) = listing(create("hello").id)
    assert (plain.role, [part.text for part in plain.content]) == ("user", ["hello"])
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "sideways"}, {"after": "msg_unknown"}):
        assert refused(openai.BadRequestError, listing, response.id, **wrong).param in wrong


run()
