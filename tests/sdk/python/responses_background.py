"""Responses in the background: polled, followed, left and taken up again, cancelled; and streams that break."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import openai
from harness import GPT, KIMI, buys, check, eventually, journal, marked, run
from support import ENDED, async_client, client, create, events_of, refused, replayed, retrieve, sent, strict_events
from support import strict_response, told, whole

TOWN = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
WEATHER = {"type": "function", "name": "get_weather", "parameters": TOWN}
SLOW = "words=12 queue=100ms chunk-interval=15ms"
FAILS = 'task=failed error-code=provider_error error-message="the wheel came off"'


def ended(response_id):
    """The response when there is no more to come of it; that FoxAPI cannot be asked just now says nothing of it."""

    def is_over():
        try:
            return retrieve(response_id).status in ENDED
        except (openai.InternalServerError, openai.RateLimitError) as error:
            assert error.status_code in {429, 503}, error

    eventually(is_over, bound=30)
    return retrieve(response_id)


def interrupted(script, every, **request):
    """The events of one response, of which each connection brings so many before it is closed."""
    request = {"input": marked(script), "model": GPT, **request}
    events = []
    with client().responses.with_streaming_response.create(background=True, stream=True, **request) as answer:
        events.extend(event for event, _ in zip(events_of(answer), range(every)))
    while events[-1].type.removeprefix("response.") not in ENDED:
        response_id, last = events[0].response.id, events[-1].sequence_number
        with client().responses.with_streaming_response.retrieve(
            response_id, stream=True, starting_after=last
        ) as answer:
            more = [event for event, _ in zip(events_of(answer), range(every))]
        assert more and more[0].sequence_number == last + 1, (last, more[:1])
        events.extend(more)
    return whole(events)


@check
def a_response_in_the_background_is_queued_then_polled_to_its_end():
    for model, script, status in (
        (GPT, SLOW, "completed"),
        (KIMI, SLOW, "completed"),
        (GPT, "words=12", "completed"),
        (GPT, "words=12 query=500,reset,html:502,429,ok", "completed"),
        (GPT, "words=40", "incomplete"),
    ):
        request = {"model": model, "input": marked(script), "max_output_tokens": 16}
        with buys(1):
            queued = create(background=True, **request)
            assert (queued.status, queued.background, queued.output) == ("queued", True, [])
            final = ended(queued.id)
        assert (final.status, final.created_at, final.background) == (status, queued.created_at, True)
        assert told(final) == told(create(**request)) and retrieve(final.id) == final
        with buys(0):
            assert whole(replayed(final.id))[-1].response == final
    continued = create("so?", previous_response_id=final.id)
    assert sent()[1] == ("assistant", final.output_text) and continued.status == "completed"


@check
def a_failure_in_the_background_is_found_by_polling():
    for model, script in ((GPT, "task=failed"), (KIMI, "words=12 task=failed fail-after=5"), (GPT, "task=cancelled")):
        told_by = f'{script} queue=100ms error-code=fell_over error-message="the wheel came off"'
        failed = ended(create(marked(told_by), model=model, background=True).id)
        assert (failed.status, failed.error.code) == ("failed", "server_error")
        assert "fell_over" in f"{failed.error.type} {failed.error.message}", failed.error
        assert "the wheel came off" in failed.error.message, failed.error
        with buys(0):
            assert whole(replayed(failed.id))[-1].response == failed
    for expected, wrong in ((openai.NotFoundError, {"model": "gpt-2"}), (openai.RateLimitError, {})):
        request = {"model": GPT, "input": marked("submit=429x*"), "background": True, **wrong}
        with buys(0):
            refused(expected, client().responses.create, **request)


@check
def a_stream_is_taken_up_where_it_was_left_any_number_of_times():
    for script in (SLOW, "words=12", f"{SLOW} stream=cut@3x2", f"{SLOW} replay=new-ids", f"{SLOW} replay=rechunk"):
        for model, every in ((GPT, 3), (KIMI, 4), (GPT, 7)):
            with buys(1):
                events = interrupted(f"{script} reasoning={6 if model == KIMI else 0}", every, model=model)
            final = events[-1].response
            assert final.output_text.split() == [f"word{nth}" for nth in range(1, 13)], (script, every)
            again = replayed(final.id)
            assert retrieve(final.id) == final and whole(again)[-1].response == final
            if "rechunk" not in script:
                assert again == events
            for last in (0, 3, 7, len(again) - 2, len(again) - 1):
                assert replayed(final.id, starting_after=last) == again[last + 1 :], (script, last)
    eventually(lambda: journal()["streams_open"] == 0)
    tools = interrupted(SLOW.replace("words=12 ", "") + " replay=rechunk", 4, tools=[WEATHER], tool_choice="required")
    assert list(json.loads(tools[-1].response.output[0].arguments)) == ["town"]


@check
def many_follow_one_response_at_once_and_long_after():
    queued = create(marked(SLOW), background=True)
    with ThreadPoolExecutor(4) as pool:
        *live, late = pool.map(lambda wait: time.sleep(wait) or whole(replayed(queued.id)), (0, 0, 0.2, 2))
    assert all(events == late for events in live) and late[-1].response == retrieve(queued.id)
    with client().responses.stream(response_id=queued.id, starting_after=4) as stream:
        assert [event.sequence_number for event in stream] == list(range(5, len(late)))
        assert stream.get_final_response().output_text == late[-1].response.output_text
    for wrong in (-1, "x"):
        error = refused(openai.BadRequestError, replayed, queued.id, starting_after=wrong)
        assert error.param == "starting_after"


@check
async def an_asynchronous_stream_is_taken_up_too():
    async with async_client() as asynchronous:
        stream = await asynchronous.responses.create(model=GPT, input=marked(SLOW), background=True, stream=True)
        events = [await anext(stream) for _ in range(6)]
        await stream.close()
        response_id = events[0].response.id
        async for event in await asynchronous.responses.retrieve(response_id, stream=True, starting_after=5):
            events.append(event)
    assert [event.model_dump() for event in whole(events)] == [e.model_dump() for e in replayed(response_id)]


@check
async def a_background_response_is_cancelled_for_good():
    async with async_client() as asynchronous, asyncio.timeout(60):
        responses = asynchronous.responses
        for script in ("task=stuck", f"{SLOW} queue=1s"):
            queued = create(marked(script), background=True)
            raw = client().responses.with_raw_response.cancel(queued.id)
            cancelled = strict_response(raw.text)
            assert (cancelled.id, cancelled.status) == (queued.id, "cancelled") and raw.headers["x-foxbridge-cancel"]
            await asyncio.sleep(1.5)
            assert retrieve(queued.id).status == client().responses.cancel(queued.id).status == "cancelled"
            kinds = {event.type async for event in await responses.retrieve(queued.id, stream=True)}
            assert kinds == {event.type for event in replayed(queued.id)} and "response.completed" not in kinds
        stuck = marked("words=12 stream=stall@3 task=stuck")
        followed = await responses.create(model=GPT, input=stuck, background=True, stream=True)
        client().responses.cancel((await anext(followed)).response.id)
        assert "response.completed" not in {event.type async for event in followed}
        finished = ended(create(background=True).id)
        assert client().responses.cancel(finished.id).status == "completed" and retrieve(finished.id) == finished


@check
def only_a_background_response_is_cancelled_or_streamed_again():
    plain = create()
    refused(openai.BadRequestError, client().responses.cancel, plain.id)
    refused(openai.BadRequestError, client().responses.retrieve, plain.id, stream=True)
    refused(openai.BadRequestError, client().responses.retrieve, plain.id, stream=True, starting_after=3)
    with buys(0):
        wrong = {"model": GPT, "input": "hello", "background": True, "store": False}
        error = refused(openai.BadRequestError, client().responses.create, **wrong)
    assert error.param in {"background", "store"}, error.param


@check
def a_failure_in_mid_stream_is_an_event_that_tells_what_happened():
    for model, word in ((GPT, "word"), (KIMI, "thought")):
        for made in (1, 3):
            # The first chunk has but the role.
            script = f"words=12 reasoning={9 if model == KIMI else 0} {FAILS} fail-after={made + 1}"
            with buys(1):
                events = strict_events(model=model, input=marked(script))
            failed = events[-1].response
            assert (failed.status, failed.error.code) == ("failed", "server_error")
            assert "provider_error" in f"{failed.error.type} {failed.error.message}", failed.error
            assert "the wheel came off" in failed.error.message, failed.error
            deltas = [event.delta for event in events if event.type.endswith(".delta")]
            assert "".join(deltas).split() == [f"{word}{nth}" for nth in range(1, made + 1)], "what came is delivered"
            kept = retrieve(failed.id)
            assert (kept.status, kept.error) == ("failed", failed.error)
    broken = marked(f"words=12 {FAILS} fail-after=5")
    with buys(1), client(max_retries=2).responses.stream(model=GPT, input=broken) as stream:
        assert [event.type for event in stream][-1] == "response.failed"


@check
def a_stream_that_is_cut_brings_everything_once():
    expected = {model: [f"word{nth}" for nth in range(1, 13)] for model in (GPT, KIMI)}
    for fault in ("cut@3x2", "reset@5", "cut@6+20", "error@4", "end@4", "cut@2,reset@9,cut@5"):
        for replay in ("same", "new-ids", "rechunk"):
            for model, words in expected.items():
                script = f"words=12 reasoning={6 if model == KIMI else 0} stream={fault} replay={replay}"
                with buys(1):
                    *_, last = strict_events(model=model, input=marked(script))
                assert last.type == "response.completed" and last.response.output_text.split() == words, script
                if model == KIMI:
                    (thought,) = last.response.output[0].content
                    assert thought.text.split() == [f"thought{nth}" for nth in range(1, 7)], script
    asked = marked("stream=cut@3,reset@4 replay=rechunk", "What is the weather in Paris?")
    calls = [
        strict_events(model=GPT, input=input, tools=[WEATHER], tool_choice="required")[-1].response.output[0]
        for input in (asked, "What is the weather in Paris?")
    ]
    assert calls[0].arguments == calls[1].arguments


@check
def a_stream_closed_midway_is_closed_upstream_too():
    with buys(1):
        stream = client().responses.create(model=GPT, input=marked("words=12 stream=stall@3"), stream=True)
        next(stream)
        eventually(lambda: journal()["streams_open"] == 1)
        stream.close()
        eventually(lambda: journal()["streams_open"] == 0)


run()
