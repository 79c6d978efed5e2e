"""openai-agents: agents as they are by default, which call the Responses API."""

import openai
from agents import Agent, ModelSettings, Runner, SQLiteSession, function_tool
from agents import set_default_openai_client, set_tracing_disabled
from agents.exceptions import ModelBehaviorError
from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run, user
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel

# Traces would be sent to OpenAI.
set_tracing_disabled(True)

ASKED = "What are the weather and the clock in Paris? Use the tools get_weather and read_clock."


class Event(BaseModel):
    """Something that happens."""

    name: str
    participants: list[str]


def tools(calls):
    """Two tools that note what they are called with."""

    @function_tool
    def get_weather(town: str, days: int) -> str:
        """What the weather is like in a town."""
        calls.append(("get_weather", town, days))
        return f"clear-as-glass in {town}"

    @function_tool
    def read_clock(town: str) -> str:
        """What time it is in a town."""
        calls.append(("read_clock", town))
        return f"high-noon in {town}"

    return [get_weather, read_clock]


def agent(model=GPT, **options):
    return Agent(name="fox", model=model, **options)


async def answered(agent, asked, **options):
    """A run with a client of its own, for the library keeps one, and connections cannot change event loops."""
    async with AsyncOpenAI() as client:
        set_default_openai_client(client, use_for_tracing=False)
        return await Runner.run(agent, asked, **options)


async def followed(agent, asked, **options):
    """The same as a stream: its result, and all its events."""
    async with AsyncOpenAI() as client:
        set_default_openai_client(client, use_for_tracing=False)
        result = Runner.run_streamed(agent, asked, **options)
        return result, [event async for event in result.stream_events()]


def text_of(events):
    raw = [event.data for event in events if event.type == "raw_response_event"]
    return "".join(event.delta for event in raw if event.type == "response.output_text.delta")


def sent():
    """The roles and texts of the messages that reached the upstream last."""

    def text(content):
        return "".join(part.get("text", "") for part in content) if isinstance(content, list) else content

    return [(said["role"], text(said.get("content"))) for said in journal()["submissions"][-1]["messages"]]


@check
def an_agent_needs_nothing_but_the_environment():
    with buys(1):
        result = Runner.run_sync(agent(instructions="Be terse."), "count 1 to 3")
    assert "count 1 to 3" in result.final_output and "A system prompt is present." in result.final_output
    assert result.last_response_id.startswith("resp_")
    usage = result.context_wrapper.usage
    assert usage.requests == 1 and usage.total_tokens == usage.input_tokens + usage.output_tokens > 0


@check
async def every_model_family_answers_the_same_streamed_and_not():
    for model in (GPT, CLAUDE, GEMINI, KIMI, "gpt-4o"):
        for asked in ("hello", marked("words=40"), marked("words=12 stream=cut@3x2 replay=rechunk")):
            with buys(1):
                whole = await answered(agent(model), asked)
            with buys(1):
                streamed, events = await followed(agent(model), asked)
            assert text_of(events) == streamed.final_output == whole.final_output, model
            assert whole.context_wrapper.usage.total_tokens == streamed.context_wrapper.usage.total_tokens > 0


@check
async def an_agent_calls_two_tools_and_reads_their_results():
    for model in (GPT, KIMI):
        calls, streamed_calls = [], []
        with buys(2):
            whole = await answered(agent(model, tools=tools(calls)), ASKED)
        with buys(2):
            streamed, events = await followed(agent(model, tools=tools(streamed_calls)), ASKED)
        assert sorted(name for name, *_ in calls) == ["get_weather", "read_clock"]
        assert sorted(calls) == sorted(streamed_calls)
        for result in (whole, streamed):
            assert "The tool read_clock answered: “high-noon in" in result.final_output
            assert result.context_wrapper.usage.requests == 2
            kinds = [item.type for item in result.new_items if item.type != "reasoning_item"]
            assert kinds == ["tool_call_item"] * 2 + ["tool_call_output_item"] * 2 + ["message_output_item"]
        assert text_of(events) == streamed.final_output
        names = [event.name for event in events if event.type == "run_item_stream_event"]
        assert [name for name in names if name.startswith("tool")] == ["tool_called"] * 2 + ["tool_output"] * 2


@check
async def a_conversation_goes_on_by_the_id_of_a_response():
    first = await answered(agent(instructions="Be terse."), "1+1?")
    begun = [("user", "1+1?"), ("assistant", first.final_output)]
    second = await answered(agent(), "3+3?", previous_response_id=first.last_response_id)
    assert sent() == [*begun, ("user", "3+3?")]
    begun = [*sent(), ("assistant", second.final_output)]
    third, _ = await followed(agent(), "5+5?", previous_response_id=second.last_response_id)
    assert sent() == [*begun, ("user", "5+5?")]
    assert len({first.last_response_id, second.last_response_id, third.last_response_id}) == 3
    with buys(0):
        try:
            await answered(agent(), "so?", previous_response_id="resp_unknown")
        except openai.BadRequestError as error:
            assert error.code == "previous_response_not_found", error
        else:
            raise AssertionError("no failure")


@check
async def a_loop_sends_but_what_is_new_when_it_goes_by_ids():
    for go in (answered, followed):
        calls = []
        with buys(2):
            await go(agent(tools=tools(calls)), ASKED, auto_previous_response_id=True)
        assert len(calls) == 2
        assert [role for role, _ in sent()] == ["user", "assistant", "tool", "tool"]


@check
async def what_was_said_is_taken_back_as_input():
    for model in (GPT, KIMI):
        settings = ModelSettings(reasoning=Reasoning(summary="auto")) if model == KIMI else ModelSettings()
        first = await answered(agent(model, tools=tools([]), model_settings=settings), ASKED)
        if model == KIMI:
            thought = next(item.raw_item for item in first.new_items if item.type == "reasoning_item")
            assert thought.summary[0].text
        second = await answered(agent(model, model_settings=settings), [*first.to_input_list(), *user("so?")])
        assert [role for role, _ in sent()] == ["user", "assistant", "tool", "tool", "assistant", "user"]
        assert second.final_output


@check
async def a_session_remembers():
    session = SQLiteSession("one")
    with buys(3):
        first = await answered(agent(), "1+1?", session=session)
        second, _ = await followed(agent(), "3+3?", session=session)
        await answered(agent(), "5+5?", session=session)
    answers = [("assistant", result.final_output) for result in (first, second)]
    assert sent() == [("user", "1+1?"), answers[0], ("user", "3+3?"), answers[1], ("user", "5+5?")]


@check
async def thoughts_are_items_also_when_nothing_is_to_be_kept():
    for summary in (None, "auto"):
        settings = ModelSettings(
            reasoning=Reasoning(summary=summary), store=False, response_include=["reasoning.encrypted_content"]
        )
        with buys(2):
            whole = await answered(agent(KIMI, model_settings=settings), "think")
            streamed, _ = await followed(agent(KIMI, model_settings=settings), "think")
        thoughts = []
        for result in (whole, streamed):
            thought, message = result.new_items
            assert (thought.type, message.type) == ("reasoning_item", "message_output_item")
            (part,) = thought.raw_item.summary if summary else thought.raw_item.content
            thoughts.append(part.text)
        assert thoughts[0] and thoughts[0] == thoughts[1]


@check
async def a_structured_answer_is_an_instance():
    with buys(2):
        whole = await answered(agent(output_type=Event), "Plan an event.")
        streamed, _ = await followed(agent(output_type=Event), "Plan an event.")
    assert isinstance(whole.final_output, Event) and streamed.final_output == whole.final_output


@check
async def one_agent_hands_over_to_another():
    poet = Agent(name="poet", model=CLAUDE, instructions="Write verse.")
    for go in (answered, followed):
        with buys(2):
            result = await go(agent(handoffs=[poet]), "Use the tool transfer_to_poet.")
        result = result[0] if isinstance(result, tuple) else result
        assert result.last_agent is poet and CLAUDE in result.final_output


@check
async def an_image_is_seen():
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}
    with buys(1):
        result = await answered(agent(), user([{"type": "input_text", "text": "describe this"}, image]))
    assert "1 image" in result.final_output


@check
async def what_failed_is_raised_and_not_bought_again():
    for script in ("task=failed error-code=provider_error", "submit=accept+resetx*", "submit=accept+html:502x*"):
        for go in (answered, followed):
            with buys(1):
                try:
                    await go(agent(), marked(script))
                except (openai.APIError, ModelBehaviorError) as error:
                    assert "failed" in str(error) or error.code, script
                else:
                    raise AssertionError(f"{script}: no failure")
    with buys(1):
        try:
            await followed(agent(), marked('words=12 task=failed fail-after=5 error-message="the wheel came off"'))
        except ModelBehaviorError as error:
            assert "response.failed" in str(error) and "the wheel came off" in str(error), error
        else:
            raise AssertionError("no failure")


@check
async def what_was_refused_is_sent_again_and_bought_once():
    before = journal()["submits"]
    with buys(1):
        result = await answered(agent(), marked("submit=429x1 retry-after=1"))
    assert result.final_output and journal()["submits"] == before + 2


run()
