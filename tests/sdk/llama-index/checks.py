"""LlamaIndex: OpenAILike, its class for servers that speak OpenAI's language."""

import os

import openai
from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, marked, run
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class Event(BaseModel):
    """Something that happens."""

    name: str
    participants: list[str]


def get_weather(town: str) -> str:
    """What the weather is like in a town."""
    return f"clear-as-glass in {town}"


WEATHER = FunctionTool.from_defaults(get_weather)
ASKED = "What is the weather in Paris? Use the tool get_weather."


def llm(model=GPT, **options):
    return OpenAILike(
        model=model,
        api_base=os.environ["OPENAI_BASE_URL"],
        is_chat_model=True,
        is_function_calling_model=True,
        **options,
    )


def said(script):
    return [ChatMessage(marked(script)[0]["content"])]


@check
def every_model_family_answers():
    for model in (GPT, CLAUDE, GEMINI, KIMI, "gpt-4o"):
        with buys(1):
            answer = llm(model).complete("count 1 to 3")
        assert "count 1 to 3" in answer.text
        assert answer.raw.model == model and answer.raw.usage.total_tokens > 0


@check
def a_stream_adds_up_to_the_answer():
    whole = llm().chat(said("words=9")).message.content
    with buys(1):
        states = list(llm().stream_chat(said("words=9")))
    assert "".join(state.delta or "" for state in states) == states[-1].message.content == whole


@check
async def asynchronous_calls_answer_and_stream():
    with buys(2):
        whole = await llm().achat(said("words=9"))
        text = "".join([state.delta or "" async for state in await llm().astream_chat(said("words=9"))])
    assert text == whole.message.content


@check
def a_tool_is_called_and_its_result_read():
    with buys(2):
        called = llm().chat_with_tools([WEATHER], user_msg=ASKED)
        (call,) = llm().get_tool_calls_from_response(called)
        result = ChatMessage(
            role="tool", content=str(WEATHER(**call.tool_kwargs)), additional_kwargs={"tool_call_id": call.tool_id}
        )
        answer = llm().chat_with_tools([WEATHER], chat_history=[ChatMessage(ASKED), called.message, result])
    assert "clear-as-glass" in answer.message.content


@check
def a_structured_answer_is_an_instance():
    with buys(1):
        assert isinstance(llm().as_structured_llm(Event).complete("Plan an event.").raw, Event)


@check
def the_legacy_endpoint_completes():
    legacy = OpenAILike(model=GPT, api_base=os.environ["OPENAI_BASE_URL"], is_chat_model=False)
    with buys(1):
        assert "count 1 to 3" in legacy.complete("count 1 to 3").text


@check
def without_its_retries_what_was_bought_once_is_not_bought_again():
    for script in ("task=failed error-code=provider_error", "submit=accept+resetx*", "submit=accept+html:502x*"):
        with buys(1):
            try:
                llm(max_retries=0).chat(said(script))
            except openai.APIError as error:
                assert error.code, script
            else:
                raise AssertionError(f"{script}: no failure")


run()
