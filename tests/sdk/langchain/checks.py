"""langchain-openai: ChatOpenAI as LangChain's users call it, with its own retries."""

import openai
from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel


@tool
def get_weather(town: str) -> str:
    """What the weather is like in a town."""
    return f"clear-as-glass in {town}"


class Event(BaseModel):
    """Something that happens."""

    name: str
    participants: list[str]


ASKED = "What is the weather in Paris? Use the tool get_weather."


def text_of(script):
    return marked(script)[0]["content"]


@check
def every_model_family_is_invoked():
    for model in (GPT, CLAUDE, GEMINI, KIMI, "gpt-4o"):
        with buys(1):
            answer = ChatOpenAI(model=model).invoke([SystemMessage("Be terse."), HumanMessage("count 1 to 3")])
        assert "count 1 to 3" in answer.content
        assert answer.response_metadata["model_name"] == model
        assert answer.response_metadata["finish_reason"] == "stop"
        assert answer.usage_metadata["total_tokens"] > 0


@check
def a_stream_adds_up_to_the_answer_with_its_usage():
    for upstream in ("on", "off"):
        asked = text_of(f"words=9 usage-chunk={upstream}")
        whole = ChatOpenAI(model=GPT).invoke(asked)
        with buys(1):
            chunks = list(ChatOpenAI(model=GPT, stream_usage=True).stream(asked))
        total = sum(chunks[1:], chunks[0])
        assert len(chunks) > 9
        assert total.content == whole.content
        assert total.usage_metadata == whole.usage_metadata


@check
async def asynchronous_calls_run_at_once():
    model = ChatOpenAI(model=GPT)
    with buys(2):
        first, second = await model.abatch(["name a colour", "name a town"])
    assert "name a colour" in first.content
    assert "name a town" in second.content
    with buys(1):
        text = "".join([chunk.content async for chunk in model.astream("name a town")])
    assert text == second.content


@check
def a_bound_tool_is_called_and_its_result_read():
    model = ChatOpenAI(model=GPT).bind_tools([get_weather])
    with buys(2):
        called = model.invoke(ASKED)
        (call,) = called.tool_calls
        result = get_weather.invoke(call)
        answer = model.invoke([HumanMessage(ASKED), called, result])
    assert isinstance(result, ToolMessage) and result.tool_call_id == call["id"]
    assert "clear-as-glass" in answer.content


@check
def a_streamed_tool_call_is_whole():
    with buys(1):
        chunks = list(ChatOpenAI(model=GPT).bind_tools([get_weather]).stream(ASKED))
    (call,) = sum(chunks[1:], chunks[0]).tool_calls
    assert call["name"] == "get_weather" and call["id"]
    assert get_weather.invoke(call["args"]).startswith("clear-as-glass")


@check
def a_structured_answer_is_an_instance():
    for method in ("json_schema", "function_calling"):
        model = ChatOpenAI(model=GPT).with_structured_output(Event, method=method)
        with buys(1):
            assert isinstance(model.invoke("Plan an event."), Event), method


@check
def an_image_is_seen():
    image = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    with buys(1):
        answer = ChatOpenAI(model=GPT).invoke([HumanMessage([{"type": "text", "text": "describe this"}, image])])
    assert "1 image" in answer.content


@check
def the_legacy_llm_completes():
    with buys(1):
        assert "count 1 to 3" in OpenAI(model=GPT).invoke("count 1 to 3")


@check
def what_was_bought_once_is_not_bought_again():
    for script in ("task=failed error-code=provider_error", "submit=accept+resetx*", "submit=accept+html:502x*"):
        for call in (ChatOpenAI(model=GPT).invoke, lambda text: list(ChatOpenAI(model=GPT).stream(text))):
            with buys(1):
                try:
                    call(text_of(script))
                except openai.APIError as error:
                    assert error.code, script
                else:
                    raise AssertionError(f"{script}: no failure")


@check
def what_was_refused_is_sent_again_and_bought_once():
    before = journal()["submits"]
    with buys(1):
        assert ChatOpenAI(model=GPT).invoke(text_of("submit=429x1 retry-after=1")).content
    assert journal()["submits"] == before + 2


run()
