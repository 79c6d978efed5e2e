"""Live streams: the same answer as without streaming, chunk by chunk, and a truthful end."""

import asyncio

from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, eventually, journal, marked, run, user
from openai import APIError
from shapes import SHAPES
from support import async_client, client, joined, strict_stream


@check
def a_stream_joined_is_the_answer_without_streaming():
    for text in ("count 1 to 3", 'quotes " and \\ and \n, ünïcödé 🦊 and 中文'):
        plain = client().chat.completions.create(model=GPT, messages=user(text))
        with buys(1):
            stream = client().chat.completions.create(model=GPT, messages=user(text), stream=True)
            chunks = list(stream)
        assert len(chunks) > 2
        assert joined(chunks) == plain.choices[0].message.content
        assert chunks[0].model == GPT


@check
def every_message_shape_streams_strictly_valid_chunks():
    for name, messages in SHAPES.items():
        with buys(1):
            chunks = strict_stream(model=GEMINI, messages=messages)
        plain = client().chat.completions.create(model=GEMINI, messages=messages)
        assert joined(chunks) == plain.choices[0].message.content, name


@check
def every_model_family_streams():
    for model in (GPT, CLAUDE, GEMINI, KIMI):
        assert joined(strict_stream(model=model, messages=user("hello"))), model


@check
async def asynchronous_streams_run_at_once():
    async def text_of(prompt):
        stream = await asynchronous.chat.completions.create(model=GPT, messages=user(prompt), stream=True)
        return joined([chunk async for chunk in stream])

    async with async_client() as asynchronous:
        with buys(2):
            first, second = await asyncio.gather(text_of("name a colour"), text_of("name a town"))
    assert "name a colour" in first
    assert "name a town" in second


@check
def the_stream_helper_puts_the_answer_together():
    plain = client().chat.completions.create(model=GPT, messages=user("count 1 to 3"))
    with client().chat.completions.stream(model=GPT, messages=user("count 1 to 3")) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == plain.choices[0].message.content


@check
def a_cut_stream_still_brings_everything_once():
    whole = client().chat.completions.create(model=GPT, messages=marked("words=12"))
    with buys(1):
        chunks = strict_stream(model=GPT, messages=marked("words=12 stream=cut@3x2"))
    assert joined(chunks) == whole.choices[0].message.content


@check
def a_failure_in_mid_stream_is_raised_and_never_a_silent_end():
    for chunks_before in (0, 5):
        script = f"words=12 task=failed fail-after={chunks_before} error-code=provider_error"
        seen = []
        with buys(1):
            stream = client(max_retries=2).chat.completions.create(model=GPT, messages=marked(script), stream=True)
            try:
                for chunk in stream:
                    seen.append(chunk)
            except APIError as error:
                assert error.message
                assert error.code == "provider_error"
                assert error.type
            else:
                raise AssertionError(f"a silent end after {len(seen)} chunks")
        assert len(seen) == chunks_before, "what came before the failure was delivered"


@check
def a_stream_closed_midway_is_closed_upstream_too():
    with buys(1):
        stream = client().chat.completions.create(model=GPT, messages=marked("words=12 stream=stall@3"), stream=True)
        next(stream)
        assert journal()["streams_open"] == 1
        stream.close()
        eventually(lambda: journal()["streams_open"] == 0)


run()
