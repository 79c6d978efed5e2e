"""Tools and structured answers, through the SDK's own helpers."""

import json

from openai import pydantic_function_tool
from pydantic import BaseModel
from support import GPT, buys, check, client, run, strict_completion, strict_stream, user


class GetWeather(BaseModel):
    """What the weather is like in a town."""

    town: str
    days: int


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
def a_schema_is_answered_with_an_instance_of_it():
    completion = client().chat.completions.parse(model=GPT, messages=user("Plan an event."), response_format=Event)
    assert isinstance(completion.choices[0].message.parsed, Event)
    with client().chat.completions.stream(model=GPT, messages=user("Plan an event."), response_format=Event) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Event)


run()
