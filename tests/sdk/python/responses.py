"""The Responses API: answers and streams that say the same, to every kind of input, with media and with thoughts."""

import asyncio
import base64
import json

from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run, user
from openai import omit
from support import async_client, both, client, sent, strict_response

TOWN = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
# The bridge of these checks uploads what is longer than 64 KiB.
SHORT = base64.b64encode(b"some bytes of media").decode()
LONG = base64.b64encode(bytes(range(256)) * 300).decode()


@check
def a_plain_answer_names_what_was_asked_for():
    with buys(1):
        raw = client().responses.with_raw_response.create(
            model="gpt-4o", input="count 1 to 3", extra_headers={"X-Request-Id": "my-own.id_1"}
        )
    response = strict_response(raw.text)
    assert (response.model, response.status) == ("gpt-4o", "completed")
    assert "count 1 to 3" in response.output_text
    assert response.id == f"resp_{raw.headers['x-foxbridge-task-id']}"
    assert (raw.headers["content-type"], raw.headers["x-request-id"]) == ("application/json", "my-own.id_1")
    assert raw.headers["x-foxbridge-model"] == GPT and int(raw.headers["openai-processing-ms"]) >= 0
    assert sent() == [("user", "count 1 to 3")]


@check
def every_model_family_says_the_same_streamed_and_not():
    for model in (GPT, CLAUDE, GEMINI, KIMI, "gpt-4o"):
        response, events = both("hello", model)
        assert response.output_text and {event.response.model for event in events[:2]} == {response.model} == {model}
    for script in ("words=40", "words=9 usage-chunk=on", "words=9 usage-chunk=off", 'text=""', 'text=" \\n"'):
        both(marked(script))
    awkward = 'quotes " and \\ and \n, ünïcödé 🦊, \u2028 and 中文'
    assert awkward in both(awkward)[0].output_text
    both("hello", instructions=None, tools=[], metadata=None, include=[], store=None, temperature=None)


@check
def claude_without_a_limit_and_gpt_with_a_low_one_work_and_the_answer_says_so():
    for model, limit, submitted in ((CLAUDE, omit, 4096), (GPT, 1, 16)):
        raw = client().responses.with_raw_response.create(model=model, input="ping", max_output_tokens=limit)
        strict_response(raw.text)
        assert "max_" in raw.headers["x-foxbridge-adjusted"]
        assert journal()["submissions"][-1]["max_tokens"] == submitted


@check
def every_kind_of_message_arrives_in_its_place():
    said = {"type": "output_text", "text": "6", "annotations": []}
    heard = [{"type": "input_text", "text": "3+3? "}, {"type": "input_text", "text": "Say!"}]
    conversation = [
        {"role": "system", "content": "Be terse."},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
        {"type": "message", "role": "user", "content": heard, "status": "completed"},
        {"type": "message", "id": "msg_any", "role": "assistant", "status": "completed", "content": [said]},
        {"role": "user", "content": "Thank you."},
    ]
    both(conversation, instructions="Be brief.")
    (role, instructions), *rest = sent()
    assert role in {"system", "developer"} and instructions == "Be brief."
    texts = ["Be terse.", "Be kind.", "1+1?", "2", "3+3? Say!", "6", "Thank you."]
    assert rest == list(zip([item["role"] for item in conversation], texts, strict=True)), rest
    refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]}
    both([*user("Do it."), refused, *user("Why?")])
    assert "I will not." in json.dumps(journal()["submissions"][-1]["messages"][1])


@check
def an_answer_is_taken_back_as_input_without_its_thoughts():
    for model in (GPT, KIMI):
        first, _ = both("1+1?", model)
        both([*user("1+1?"), *first.output, *user("and 3+3?")], model)
        assert sent() == [("user", "1+1?"), ("assistant", first.output_text), ("user", "and 3+3?")]
        assert "Let me see" not in journal()["last_submission_text"]


@check
def media_are_seen_heard_and_read():
    png, pdf = f"data:image/png;base64,{SHORT}", f"data:application/pdf;base64,{SHORT}"
    page, doc = "https://example.com/x.png", "https://example.com/doc.pdf"
    before = len(journal()["uploads"])
    parts = [
        {"type": "input_text", "text": "describe this"},
        {"type": "input_image", "image_url": page, "detail": "high"},
        {"type": "input_image", "image_url": png, "detail": "auto"},
        {"type": "input_file", "file_data": pdf, "filename": "report.pdf"},
        {"type": "input_file", "file_data": SHORT, "filename": "report.pdf"},
        {"type": "input_file", "file_url": doc},
        {"type": "input_audio", "input_audio": {"data": SHORT, "format": "wav"}},
        {"type": "input_file", "file_data": f"data:application/pdf;base64,{LONG}", "filename": "long.pdf"},
    ]
    response, _ = both(user(parts), GEMINI)
    assert "2 images, 1 audio clip, 4 files" in response.output_text
    assert len(journal()["uploads"]) == before + 2
    (message,) = journal()["submissions"][-1]["messages"]
    sources = [part[part["type"]] for part in message["content"][1:]]
    assert (sources[0]["detail"], sources[1].get("detail", "auto")) == ("high", "auto")
    *inline, uploaded = [source["url"] for source in sources]
    assert inline == [page, png, pdf, pdf, doc, f"data:audio/wav;base64,{SHORT}"]
    assert uploaded.startswith("http") and uploaded.endswith(".pdf")


@check
def an_answer_cut_short_says_so():
    response, events = both(marked("words=40"), max_output_tokens=16)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output_text.split() == [f"word{nth}" for nth in range(1, 17)]
    assert events[-1].type == "response.incomplete" and response.max_output_tokens == 16


@check
def thoughts_come_as_text_or_as_the_summary_that_was_asked_for():
    for model, reasoning in ((KIMI, {}), (GPT, {"effort": "high"})):
        response, _ = both("think", model, reasoning=reasoning or omit)
        thought, said = response.output
        (part,) = thought.content
        assert (thought.type, thought.summary, said.type) == ("reasoning", [], "message") and part.text
        assert response.usage.output_tokens_details.reasoning_tokens > 0
        for summary in ("auto", "concise", "detailed"):
            response, _ = both("think", model, reasoning={**reasoning, "summary": summary})
            summed, again = response.output
            assert [inner.text for inner in summed.summary] == [part.text] and not summed.content
            assert again.to_dict()["content"] == said.to_dict()["content"] and response.reasoning.summary == summary
    assert journal()["submissions"][-1]["reasoning_effort"] == response.reasoning.effort == "high"
    assert [item.type for item in both("think", reasoning={"effort": "none"})[0].output] == ["message"]
    called, _ = both("Use the tool.", KIMI, tools=[{"type": "function", "name": "get_weather", "parameters": TOWN}])
    assert [item.type for item in called.output] == ["reasoning", "function_call"]


@check
def what_was_asked_for_is_told_again_and_submitted():
    said = {
        "instructions": "Be terse.",
        "max_output_tokens": 64,
        "metadata": {"ticket": "42"},
        "prompt_cache_key": "a-key",
        "safety_identifier": "someone",
        "temperature": 0.5,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "top_p": 0.9,
        "truncation": "disabled",
        "user": "someone",
    }
    response, events = both(**said)
    for told_again in (response.to_dict(), *(event.response.to_dict() for event in (events[0], events[-1]))):
        assert {name: told_again.get(name) for name in said} == said
    submitted = journal()["submissions"][-1]
    for name in ("temperature", "top_p", "user"):
        assert submitted[name] == said[name], name
    foreign = {"input", "instructions", "max_output_tokens", "text", "truncation", "background", "include", "reasoning"}
    assert not foreign & set(submitted), set(submitted)


@check
def usage_is_that_of_a_chat():
    for model in (GPT, KIMI):
        response, _ = both(marked("words=9"), model)
        chat = client().chat.completions.create(model=model, messages=marked("words=9")).usage
        usage = response.usage
        assert (usage.input_tokens, usage.output_tokens) == (chat.prompt_tokens, chat.completion_tokens)
        assert usage.output_tokens_details.reasoning_tokens == chat.completion_tokens_details.reasoning_tokens


@check
def every_token_comes_with_its_probability():
    response, events = both("hello", include=["message.output_text.logprobs"], top_logprobs=2)
    streamed = [token for event in events if event.type == "response.output_text.delta" for token in event.logprobs]
    for tokens in (response.output[0].content[0].logprobs, streamed):
        assert "".join(token.token for token in tokens) == response.output_text
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)


@check
async def asynchronous_calls_and_streams_run_at_once():
    async def streamed(text):
        async with asynchronous.responses.stream(model=GPT, input=text) as stream:
            kinds = {event.type async for event in stream}
            assert {"response.created", "response.output_text.delta", "response.completed"} <= kinds
            return (await stream.get_final_response()).output_text

    async with async_client() as asynchronous:
        with buys(3):
            first, second, third = await asyncio.gather(
                streamed("name a colour"),
                streamed("name a town"),
                asynchronous.responses.create(model=GPT, input="name a town"),
            )
    assert "name a colour" in first and "name a town" in second == third.output_text


run()
