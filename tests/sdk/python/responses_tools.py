"""Functions and schemas with the Responses API, also through the SDK's own helpers."""

import json

from harness import GPT, buys, check, journal, run, user
from openai import pydantic_function_tool
from pydantic import BaseModel
from support import both, client


class GetWeather(BaseModel):
    town: str
    days: int


class ReadClock(BaseModel):
    town: str


class Event(BaseModel):
    name: str
    participants: list[str]


PARSED = [pydantic_function_tool(GetWeather, name="get_weather"), pydantic_function_tool(ReadClock, name="read_clock")]
WEATHER, CLOCK = ({"type": "function", **tool["function"]} for tool in PARSED)
ASKED = "What is the weather in Paris? Use the tool get_weather."
ASKED_BOTH = "What are the weather and the clock in Paris? Use the tools get_weather and read_clock."


def result(call, output="clear-as-glass"):
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}


@check
def a_tool_is_called_and_its_result_read():
    first, _ = both(ASKED, tools=[WEATHER])
    (call,) = first.output
    assert first.status == "completed" and call.type == "function_call" and call.name == "get_weather"
    GetWeather.model_validate_json(call.arguments, strict=True)
    for output in ("clear-as-glass", [{"type": "input_text", "text": "clear-as-glass"}]):
        second, _ = both([*user(ASKED), call, result(call, output)], tools=[WEATHER])
        assert "The tool get_weather answered: “clear-as-glass”" in second.output_text
        _, asking, told_by = journal()["submissions"][-1]["messages"]
        function = {"name": "get_weather", "arguments": call.arguments}
        assert asking["tool_calls"] == [{"id": call.call_id, "type": "function", "function": function}]
        assert (told_by["role"], told_by["tool_call_id"]) == ("tool", call.call_id)


@check
def two_tools_are_called_at_once_and_both_results_read():
    both(ASKED_BOTH, tools=[WEATHER, CLOCK])
    parsed = client().responses.parse(model=GPT, input=ASKED_BOTH, tools=PARSED)
    with client().responses.stream(model=GPT, input=ASKED_BOTH, tools=PARSED) as stream:
        streamed = stream.get_final_response()
    for response in (parsed, streamed):
        weather, clock = response.output
        assert isinstance(weather.parsed_arguments, GetWeather) and isinstance(clock.parsed_arguments, ReadClock)
        assert weather.call_id != clock.call_id
        both([*user(ASKED_BOTH), weather, clock, result(clock), result(weather)], tools=[WEATHER, CLOCK])
        _, asking, *results = journal()["submissions"][-1]["messages"]
        assert [call["id"] for call in asking["tool_calls"]] == [weather.call_id, clock.call_id]
        assert {told_by["tool_call_id"] for told_by in results} == {weather.call_id, clock.call_id}
    one, _ = both(ASKED_BOTH, tools=[WEATHER, CLOCK], parallel_tool_calls=False)
    assert len(one.output) == 1 and one.parallel_tool_calls is False


@check
def results_follow_their_calls_whatever_was_said_between():
    calls = [{"type": "function_call", "call_id": f"call_{n}", "name": "get_weather", "arguments": "{}"} for n in "123"]
    results = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "clear-as-glass"} for n in "123"]
    said = {"role": "assistant", "content": "Let me see."}
    for items in (
        [said, *calls, *results],
        [calls[0], said, *calls[1:], *results],
        [*calls, said, *results],
        [calls[0], results[0], said, *calls[1:], *results[1:], said],
    ):
        both([*user(ASKED), *items], tools=[WEATHER])
        called = set()
        for message in journal()["submissions"][-1]["messages"]:
            # Providers refuse anything else between calls and their results.
            assert message["role"] == "tool" or not called, (items, message)
            if message["role"] == "tool":
                called.remove(message["tool_call_id"])
            called |= {call["id"] for call in message.get("tool_calls") or []}


@check
def a_tool_of_plain_text_is_called_and_its_result_read():
    grammar = {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"}
    for tool in ({"type": "custom", "name": "run_code"}, {"type": "custom", "name": "run_code", "format": grammar}):
        chosen, _ = both("hello", tools=[WEATHER, tool], tool_choice={"type": "custom", "name": "run_code"})
        asked, _ = both("Use the tool run_code.", tools=[WEATHER, tool])
        for response in (chosen, asked):
            (call,) = response.output
            assert (call.type, call.name) == ("custom_tool_call", "run_code") and call.input
            assert response.tools[1].type == "custom"
        output = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "clear-as-glass"}
        answer, _ = both([*user("Use the tool run_code."), call, output], tools=[tool])
        assert "The tool run_code answered: “clear-as-glass”" in answer.output_text
        (call_id,) = (call["id"] for call in journal()["submissions"][-1]["messages"][1]["tool_calls"])
        assert call_id == call.call_id


@check
def the_choice_of_a_tool_is_the_caller_s():
    def allowed(mode):
        return {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "read_clock"}]}

    for tool_choice, called in (
        ("none", []),
        ("auto", []),
        ("required", ["get_weather"]),
        ({"type": "function", "name": "read_clock"}, ["read_clock"]),
        (allowed("required"), ["read_clock"]),
        (allowed("auto"), []),
    ):
        response, _ = both("hello", tools=[WEATHER, CLOCK], tool_choice=tool_choice)
        assert [item.name for item in response.output if item.type == "function_call"] == called, tool_choice
        assert response.to_dict()["tool_choice"] == tool_choice
        assert [tool.name for tool in response.tools] == ["get_weather", "read_clock"]
    response, _ = both(ASKED_BOTH, tools=[WEATHER, CLOCK], tool_choice=allowed("auto"))
    assert [item.name for item in response.output] == ["read_clock"]


@check
def a_schema_is_answered_with_an_instance_of_it():
    with buys(2):
        parsed = client().responses.parse(model=GPT, input="Plan an event.", text_format=Event)
        with client().responses.stream(model=GPT, input="Plan an event.", text_format=Event) as stream:
            done = [event.parsed for event in stream if event.type == "response.output_text.done"]
            streamed = stream.get_final_response()
    assert isinstance(parsed.output_parsed, Event) and done == [streamed.output_parsed] == [parsed.output_parsed]
    schema = journal()["submissions"][-1]["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"], schema["schema"]["type"]) == ("Event", True, "object")
    loose, _ = both("hello", text={"format": {"type": "json_object"}, "verbosity": "low"})
    assert json.loads(loose.output_text)["you_said"] == "“hello”"
    assert journal()["submissions"][-1]["verbosity"] == loose.text.verbosity == "low"


run()
