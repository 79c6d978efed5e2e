"""Plain answers: synchronous, asynchronous, and every message shape that the upstream documents."""

import asyncio

from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run, user
from shapes import SHAPES
from support import async_client, client, strict_completion


@check
def a_plain_answer_names_what_was_asked_for():
    with buys(1):
        completion = client().chat.completions.create(model=GPT, messages=user("count 1 to 3"))
    assert completion.model == GPT
    assert "count 1 to 3" in completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"


@check
def every_message_shape_gets_a_strictly_valid_answer():
    for name, messages in SHAPES.items():
        with buys(1):
            raw = client().chat.completions.with_raw_response.create(model=GEMINI, messages=messages)
        completion = strict_completion(raw.text)
        assert completion.choices[0].message.content, name
        assert raw.headers["content-type"] == "application/json", name
        assert raw.headers["x-request-id"], name


@check
def every_model_family_answers():
    for model in (GPT, CLAUDE, GEMINI, KIMI):
        raw = client().chat.completions.with_raw_response.create(model=model, messages=user("hello"))
        assert strict_completion(raw.text).choices[0].message.content, model


@check
async def two_asynchronous_calls_run_at_once():
    async with async_client() as asynchronous:
        with buys(2):
            first, second = await asyncio.gather(
                *(
                    asynchronous.chat.completions.create(model=GPT, messages=user(text))
                    for text in ("name a colour", "name a town")
                )
            )
    assert "name a colour" in first.choices[0].message.content
    assert "name a town" in second.choices[0].message.content
    assert first.id != second.id


@check
def claude_without_max_tokens_works_and_the_answer_says_so():
    raw = client().chat.completions.with_raw_response.create(model=CLAUDE, messages=user("hello"))
    assert "max_tokens" in raw.headers["x-foxbridge-adjusted"]
    sent = journal()["submissions"][-1]
    assert sent["max_tokens"] > 0


@check
def gpt_with_one_token_works_and_the_answer_says_so():
    raw = client().chat.completions.with_raw_response.create(model=GPT, messages=user("ping"), max_tokens=1)
    assert "max_tokens" in raw.headers["x-foxbridge-adjusted"]
    assert journal()["submissions"][-1]["max_tokens"] == 16


@check
def a_request_that_needs_no_adjustment_is_not_said_to_be_adjusted():
    raw = client().chat.completions.with_raw_response.create(model=GPT, messages=user("hello"), max_tokens=64)
    assert "x-foxbridge-adjusted" not in raw.headers
    assert journal()["submissions"][-1]["max_tokens"] == 64


@check
def max_completion_tokens_becomes_max_tokens():
    client().chat.completions.create(model=CLAUDE, messages=user("hello"), max_completion_tokens=77)
    sent = journal()["submissions"][-1]
    assert sent["max_tokens"] == 77
    assert "max_completion_tokens" not in sent


@check
def an_answer_tells_which_task_it_is_and_how_long_it_took():
    raw = client().chat.completions.with_raw_response.create(
        model=GPT, messages=marked("rate-limit=60/59"), extra_headers={"X-Request-Id": "my-own.id_1"}
    )
    assert raw.headers["x-request-id"] == "my-own.id_1"
    assert raw.parse()._request_id == "my-own.id_1"
    assert raw.headers["x-foxbridge-task-id"]
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-ratelimit-limit-requests"] == "60"
    assert raw.headers["x-ratelimit-remaining-requests"] == "59"


run()
