"""Tools and structured answers, through the SDK's own helpers."""

import json

from harness import GPT, buys, check, run, user
from openai import pydantic_function_tool
from pydantic import BaseModel
from support import client, strict_completion, strict_stream


class GetWeather(BaseModel):
    """What the weather is like in a town."""

    town: str
    days: int


class ReadClock(BaseModel):
    """What time it is in a town."""

    town: str


class Event(BaseModel):
    name: str
    participants: list[str]


WEATHER = pydantic_function_tool(GetWeather, name="get_weather")
ASKED = user("What is the weather in Paris? Use the tool get_weather.")


@check
def a_tool_is_called_with_arguments_of_its_schema():
    raw = client().chat.completions.with_raw_response.create(model=GPT, messages=ASKED, tools=[WEATHER])
    choice = strict_completion(raw.text).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.id and call.function.name == "get_weather"
    GetWeather.model_validate_json(call.function.arguments, strict=True)


@check
def a_streamed_tool_call_is_whole():
    chunks = strict_stream(model=GPT, messages=ASKED, tools=[WEATHER])
    deltas = [d for chunk in chunks for c in chunk.choices for d in c.delta.tool_calls or []]
    assert deltas[0].id and deltas[0].function.name == "get_weather"
    assert {delta.index for delta in deltas} == {0}
    GetWeather.model_validate_json("".join(delta.function.arguments or "" for delta in deltas), strict=True)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@check
def the_stream_helper_parses_the_arguments():
    with client().chat.completions.stream(model=GPT, messages=ASKED, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, GetWeather)


@check
def a_tool_result_leads_to_an_answer():
    first = client().chat.completions.create(model=GPT, messages=ASKED, tools=[WEATHER])
    call = first.choices[0].message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"sky": "clear-as-glass"})}
    with buys(1):
        second = client().chat.completions.create(
            model=GPT, messages=[*ASKED, first.choices[0].message, result], tools=[WEATHER]
        )
    assert second.choices[0].finish_reason == "stop"
    assert "clear-as-glass" in second.choices[0].message.content


@check
def two_tools_are_called_at_once():
    asked = user("What are the weather and the clock in Paris? Use the tools get_weather and read_clock.")
    tools = [WEATHER, pydantic_function_tool(ReadClock, name="read_clock")]
    with buys(1):
        whole = client().chat.completions.parse(model=GPT, messages=asked, tools=tools)
    with buys(1), client().chat.completions.stream(model=GPT, messages=asked, tools=tools) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        streamed = stream.get_final_completion()
    assert [event.name for event in done] == ["get_weather", "read_clock"]
    for completion in (whole, streamed):
        weather, clock = completion.choices[0].message.tool_calls
        assert weather.id != clock.id
        assert isinstance(weather.function.parsed_arguments, GetWeather)
        assert isinstance(clock.function.parsed_arguments, ReadClock)


@check
def a_loop_of_streams_calls_the_tool_and_ends_with_an_answer():
    messages = list(ASKED)
    with buys(2):
        for _ in range(2):
            with client().chat.completions.stream(model=GPT, messages=messages, tools=[WEATHER]) as stream:
                stream.until_done()
                choice = stream.get_final_completion().choices[0]
            messages.append(choice.message)
            for call in choice.message.tool_calls or []:
                weather = call.function.parsed_arguments
                told = json.dumps({"town": weather.town, "sky": "clear-as-glass"})
                messages.append({"role": "tool", "tool_call_id": call.id, "content": told})
    assert choice.finish_reason == "stop"
    assert "clear-as-glass" in choice.message.content


@check
def the_choice_of_a_tool_is_the_caller_s():
    for tool_choice, called in (
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
    ):
        raw = client().chat.completions.with_raw_response.create(
            model=GPT, messages=user("hello"), tools=[WEATHER], tool_choice=tool_choice, parallel_tool_calls=False
        )
        message = strict_completion(raw.text).choices[0].message
        assert [call.function.name for call in message.tool_calls or []] == called, tool_choice


@check
def a_schema_is_answered_with_an_instance_of_it():
    completion = client().chat.completions.parse(model=GPT, messages=user("Plan an event."), response_format=Event)
    assert isinstance(completion.choices[0].message.parsed, Event)
    with client().chat.completions.stream(model=GPT, messages=user("Plan an event."), response_format=Event) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Event)


run()
