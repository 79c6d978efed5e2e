"""litellm: the provider that stands for any server that speaks OpenAI's language."""

import json

import litellm
import openai
from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run, user
from pydantic import BaseModel

litellm.suppress_debug_info = True

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "What the weather is like in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
ASKED = user("What is the weather in Paris? Use the tool get_weather.")


class Event(BaseModel):
    name: str
    participants: list[str]


def complete(model=GPT, **request):
    return litellm.completion(model=f"openai/{model}", **request)


@check
def every_model_family_answers():
    for model in (GPT, CLAUDE, GEMINI, KIMI, "gpt-4o"):
        with buys(1):
            completion = complete(model, messages=user("count 1 to 3"))
        choice = completion.choices[0]
        assert "count 1 to 3" in choice.message.content
        assert choice.finish_reason == "stop"
        assert completion.usage.total_tokens > 0
        assert completion.model == model


@check
def thoughts_are_shown():
    with buys(1):
        completion = complete(KIMI, messages=user("think"))
    with buys(1):
        chunks = list(complete(KIMI, messages=user("think"), stream=True))
    thoughts = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks]
    assert completion.choices[0].message.reasoning_content
    assert "".join(part for part in thoughts if part) == completion.choices[0].message.reasoning_content


@check
def a_stream_adds_up_to_the_answer_with_its_usage():
    for upstream in ("on", "off"):
        messages = marked(f"words=9 usage-chunk={upstream}")
        whole = complete(messages=messages)
        with buys(1):
            chunks = list(complete(messages=messages, stream=True, stream_options={"include_usage": True}))
        streamed = litellm.stream_chunk_builder(chunks, messages=messages)
        assert streamed.choices[0].message.content == whole.choices[0].message.content
        assert streamed.usage.total_tokens == whole.usage.total_tokens


@check
async def asynchronous_calls_answer_and_stream():
    with buys(2):
        whole = await litellm.acompletion(model=f"openai/{GPT}", messages=marked("words=9"))
        stream = await litellm.acompletion(model=f"openai/{GPT}", messages=marked("words=9"), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == whole.choices[0].message.content


@check
def a_tool_is_called_and_its_result_read():
    with buys(2):
        called = complete(messages=ASKED, tools=[WEATHER]).choices[0].message
        (call,) = called.tool_calls
        assert json.loads(call.function.arguments)["town"]
        result = {"role": "tool", "tool_call_id": call.id, "content": "clear-as-glass"}
        answer = complete(messages=[*ASKED, called, result], tools=[WEATHER])
    assert "clear-as-glass" in answer.choices[0].message.content


@check
def a_streamed_tool_call_is_whole():
    with buys(1):
        chunks = list(complete(messages=ASKED, tools=[WEATHER], stream=True))
    (call,) = litellm.stream_chunk_builder(chunks).choices[0].message.tool_calls
    assert call.id and call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["town"]


@check
def a_structured_answer_fits_its_schema():
    with buys(1):
        completion = complete(messages=user("Plan an event."), response_format=Event)
    Event.model_validate_json(completion.choices[0].message.content, strict=True)


@check
def errors_are_its_own():
    for expected, request in (
        (litellm.NotFoundError, {"model": "gpt-2", "messages": user("hello")}),
        (litellm.RateLimitError, {"messages": marked("submit=402x*")}),
        (litellm.ServiceUnavailableError, {"messages": marked("submit=422:service_unavailable_errorx*")}),
    ):
        with buys(0):
            try:
                complete(**request, max_retries=0)
            except expected as error:
                assert error.message
            else:
                raise AssertionError(f"{expected.__name__} was not raised")


@check
def what_was_bought_once_is_not_bought_again():
    for script in ("task=failed error-code=provider_error", "submit=accept+resetx*", "submit=accept+html:502x*"):
        for stream in (False, True):
            with buys(1):
                try:
                    for _ in complete(messages=marked(script), stream=stream):
                        pass
                except openai.APIError as error:
                    assert error.message
                else:
                    raise AssertionError(f"{script}: no failure")


@check
def what_was_refused_is_sent_again_and_bought_once():
    before = journal()["submits"]
    with buys(1):
        assert complete(messages=marked("submit=429x1 retry-after=1")).choices[0].message.content
    assert journal()["submits"] == before + 2


run()
