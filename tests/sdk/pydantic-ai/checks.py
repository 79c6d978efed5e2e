"""pydantic-ai: its models named openai:…, which call the Responses API by default."""

import openai
from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import BinaryContent, DocumentUrl, ImageUrl, ModelMessagesTypeAdapter, ThinkingPart
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings as Settings
from pydantic_ai.providers.openai import OpenAIProvider

ASKED = "What are the weather and the clock in Paris? Use the tools get_weather and read_clock."


class Event(BaseModel):
    """Something that happens."""

    name: str
    participants: list[str]


def agent(model=GPT, *, retries=0, **options):
    """An agent with a client that keeps no connections, for those cannot change event loops, and each check has one."""
    client = AsyncOpenAI(max_retries=retries, default_headers={"Connection": "close"})
    return Agent(OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=client)), **options)


def with_tools(model, calls):
    """An agent with two tools that note what they are called with."""
    made = agent(model)

    @made.tool_plain
    def get_weather(town: str, days: int) -> str:
        """What the weather is like in a town."""
        calls.append(("get_weather", town, days))
        return f"clear-as-glass in {town}"

    @made.tool_plain
    def read_clock(town: str) -> str:
        """What time it is in a town."""
        calls.append(("read_clock", town))
        return f"high-noon in {town}"

    return made


def text_of(script):
    return marked(script)[0]["content"]


def thoughts_of(result):
    """What was thought, in either of the two forms that it comes in."""
    parts = [part for part in result.all_messages()[-1].parts if isinstance(part, ThinkingPart)]
    raw = [text for part in parts for text in (part.provider_details or {}).get("raw_content", [])]
    return "".join(part.content for part in parts), "".join(raw)


def sent():
    """The roles and texts of the messages that reached the upstream last."""

    def text(content):
        return "".join(part.get("text", "") for part in content) if isinstance(content, list) else content

    return [(said["role"], text(said.get("content"))) for said in journal()["submissions"][-1]["messages"]]


@check
def a_model_needs_nothing_but_its_name():
    for name in (f"openai:{GPT}", f"openai-responses:{GPT}"):
        with buys(1):
            result = Agent(name, instructions="Be terse.").run_sync("count 1 to 3")
        assert "count 1 to 3" in result.output and "A system prompt is present." in result.output
        assert result.response.provider_response_id.startswith("resp_")
        assert result.usage.input_tokens > 0 and result.usage.output_tokens > 0


@check
async def every_model_family_answers_the_same_streamed_and_not():
    for model in (GPT, CLAUDE, GEMINI, KIMI, "gpt-4o"):
        for asked in ("hello", text_of("words=40"), text_of("words=12 stream=cut@3x2 replay=rechunk")):
            with buys(1):
                whole = await agent(model).run(asked)
            with buys(1):
                async with agent(model).run_stream(asked) as streamed:
                    text = "".join([delta async for delta in streamed.stream_text(delta=True, debounce_by=None)])
            assert text == whole.output and whole.response.model_name == model, (model, asked)
            assert whole.response.finish_reason == streamed.response.finish_reason == "stop"
            assert whole.response.usage == streamed.response.usage
            assert thoughts_of(whole) == thoughts_of(streamed)


@check
async def an_agent_calls_two_tools_and_reads_their_results():
    for model in (GPT, KIMI):
        calls, streamed_calls = [], []
        with buys(2):
            whole = await with_tools(model, calls).run(ASKED)
        with buys(2):
            async with with_tools(model, streamed_calls).run_stream(ASKED) as streamed:
                output = await streamed.get_output()
        assert sorted(name for name, *_ in calls) == ["get_weather", "read_clock"]
        assert sorted(calls) == sorted(streamed_calls)
        assert output == whole.output and "The tool read_clock answered: “high-noon in" in output
        assert [role for role, _ in sent()] == ["user", "assistant", "tool", "tool"]


@check
async def a_structured_answer_is_an_instance():
    for output_type in (ToolOutput(Event), NativeOutput(Event)):
        with buys(2):
            whole = await agent(output_type=output_type).run("Plan an event.")
            async with agent(output_type=output_type).run_stream("Plan an event.") as streamed:
                output = await streamed.get_output()
        assert isinstance(whole.output, Event) and output == whole.output, output_type
    told = 'text="{\\"name\\":\\"fair\\",\\"participants\\":[]}"'
    with buys(1):
        result = await agent(output_type=PromptedOutput(Event)).run(text_of(told))
    assert result.output == Event(name="fair", participants=[])


@check
async def a_history_goes_round():
    for model in (GPT, KIMI):
        first = await with_tools(model, []).run(ASKED)
        stored = ModelMessagesTypeAdapter.validate_json(first.all_messages_json())
        for history in (first.all_messages(), stored):
            with buys(1):
                second = await agent(model).run("so?", message_history=history)
            assert [role for role, _ in sent()] == ["user", "assistant", "tool", "tool", "assistant", "user"]
            assert sent()[-2:] == [("assistant", first.output), ("user", "so?")] and second.output
            assert "Let me see" not in journal()["last_submission_text"]


@check
async def a_conversation_goes_on_by_the_id_of_a_response():
    settings = Settings(openai_previous_response_id="auto")
    first = await agent().run("1+1?", model_settings=settings)
    second = await agent().run("3+3?", message_history=first.all_messages(), model_settings=settings)
    begun = [("user", "1+1?"), ("assistant", first.output), ("user", "3+3?")]
    assert sent() == begun
    named = Settings(openai_previous_response_id=second.response.provider_response_id)
    await agent().run("5+5?", model_settings=named)
    assert sent() == [*begun, ("assistant", second.output), ("user", "5+5?")]
    with buys(0):
        try:
            await agent().run("so?", model_settings=Settings(openai_previous_response_id="resp_unknown"))
        except ModelHTTPError as error:
            assert (error.status_code, error.body["code"]) == (400, "previous_response_not_found"), error
        else:
            raise AssertionError("no failure")


@check
async def thoughts_are_parts():
    asked = {
        "summary": Settings(openai_reasoning_summary="detailed", openai_send_reasoning_ids=True),
        "raw": Settings(openai_include_encrypted_reasoning=True, openai_store=False),
    }
    seen = {}
    for form, settings in asked.items():
        with buys(2):
            whole = await agent(KIMI).run("think", model_settings=settings)
            async with agent(KIMI).run_stream("think", model_settings=settings) as streamed:
                await streamed.get_output()
        assert thoughts_of(whole) == thoughts_of(streamed), form
        seen[form] = thoughts_of(whole)
        again = await agent(KIMI).run("so?", message_history=streamed.all_messages(), model_settings=settings)
        assert [role for role, _ in sent()] == ["user", "assistant", "user"] and again.output
    (summary, none), (_, raw) = seen["summary"], seen["raw"]
    assert "Let me see" in summary and not none and raw == summary, seen


@check
async def a_response_in_the_background_is_waited_for_or_followed():
    settings = Settings(openai_background=True)
    asked = text_of("words=12 queue=300ms chunk-interval=10ms")
    for model in (GPT, KIMI):
        with buys(1):
            polled = await agent(model).run(asked, model_settings=settings)
        with buys(1):
            async with agent(model).run_stream(asked, model_settings=settings) as streamed:
                output = await streamed.get_output()
        assert output.split() == polled.output.split() == [f"word{nth}" for nth in range(1, 13)]
    with buys(1):
        try:
            await agent().run(text_of('task=failed error-message="the wheel came off"'), model_settings=settings)
        except AgentRunError as error:
            assert "the wheel came off" in str(error), error
        else:
            raise AssertionError("no failure")


@check
async def media_are_seen_and_read():
    png = BinaryContent(b"some bytes of media", media_type="image/png")
    pdf = BinaryContent(b"some bytes of a document", media_type="application/pdf")
    urls = (ImageUrl("https://example.com/x.png"), DocumentUrl("https://example.com/doc.pdf"))
    with buys(1):
        result = await agent(GEMINI).run(["describe this", png, pdf, *urls])
    assert "2 images, 2 files" in result.output


@check
async def an_answer_cut_short_says_so():
    with buys(1):
        result = await agent().run(text_of("words=40"), model_settings=Settings(max_tokens=16))
    assert result.response.finish_reason == "length" and len(result.output.split()) == 16


@check
async def what_failed_is_raised_and_not_bought_again():
    told = 'error-code=provider_error error-message="the wheel came off"'
    for script in (f"task=failed {told}", f"words=12 task=failed fail-after=5 {told}", "submit=accept+resetx*"):
        for stream in (False, True):
            with buys(1):
                try:
                    if stream:
                        async with agent(retries=2).run_stream(text_of(script)) as streamed:
                            await streamed.get_output()
                    else:
                        await agent(retries=2).run(text_of(script))
                except (AgentRunError, openai.APIError) as error:
                    assert "submit" in script or "the wheel came off" in str(error), error
                else:
                    raise AssertionError(f"{script}: no failure")


@check
async def what_was_refused_is_sent_again_and_bought_once():
    before = journal()["submits"]
    with buys(1):
        assert (await agent(retries=2).run(text_of("submit=429x1 retry-after=1"))).output
    assert journal()["submits"] == before + 2


run()
