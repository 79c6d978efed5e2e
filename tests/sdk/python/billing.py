"""With the SDK's own two retries: what was bought once is never bought again, what was refused is worth a retry."""

import openai
from harness import GPT, buys, check, journal, marked, run
from support import client


def create(script, **request):
    return client(max_retries=2).chat.completions.create(model=GPT, messages=marked(script), **request)


def fails_after_buying_once(script, **request):
    with buys(1):
        try:
            for _ in create(script, **request):
                pass
        except openai.APIError:
            return
    raise AssertionError(f"{script}: no failure")


@check
def a_task_that_failed_is_not_bought_again():
    fails_after_buying_once("task=failed error-code=provider_error")
    fails_after_buying_once("task=failed error-code=provider_error", stream=True)


@check
def a_task_that_is_cancelled_is_not_bought_again():
    fails_after_buying_once("task=cancelled")


@check
def an_accepted_submit_without_a_readable_answer_is_not_bought_again():
    for reaction in ("garbage", "reset", "close", "truncated", "500", "html:502"):
        fails_after_buying_once(f"submit=accept+{reaction}x*")


@check
def a_result_that_never_comes_is_not_bought_again():
    fails_after_buying_once("results=nullx*")


@check
def a_refused_submit_is_sent_again_and_bought_once():
    before = journal()["submits"]
    with buys(1):
        completion = create("submit=429x1 retry-after=1")
    assert completion.choices[0].message.content
    assert journal()["submits"] == before + 2


@check
def a_model_without_a_channel_just_now_is_asked_again_and_bought_once():
    before = journal()["submits"]
    with buys(1):
        completion = create("submit=422:service_unavailable_errorx1")
    assert completion.choices[0].message.content
    assert journal()["submits"] == before + 2


@check
def a_balance_that_is_used_up_is_not_tried_again():
    before = journal()["submits"]
    with buys(0):
        try:
            create("submit=402x*")
        except openai.RateLimitError as error:
            assert error.code == "insufficient_quota"
        else:
            raise AssertionError("no failure")
    assert journal()["submits"] == before + 1


@check
def a_call_that_times_out_and_is_sent_again_is_answered_by_the_task_it_bought():
    for stream in (False, True):
        with buys(1):
            impatient = client(max_retries=4, timeout=0.6)
            answer = impatient.chat.completions.create(
                model=GPT, messages=marked("text=patience submit-latency=1500ms"), stream=stream
            )
            pieces = [chunk.choices[0].delta.content or "" for chunk in answer] if stream else None
            text = "".join(pieces) if stream else answer.choices[0].message.content
            assert text == "patience", text


@check
def an_idempotency_key_buys_once():
    with buys(1):
        texts = {
            create("words=4", extra_headers={"Idempotency-Key": "one"}).choices[0].message.content for _ in range(3)
        }
    assert len(texts) == 1, texts


@check
def a_query_that_fails_is_asked_again():
    with buys(1):
        completion = create("query=500,reset,html:502,429,ok")
    assert completion.choices[0].message.content


run()
