"""With white space ahead of answers that take long (`server.sync_keepalive`)."""

import openai
from harness import GPT, buys, check, marked, run
from support import client, strict_completion


def create(script, **options):
    return client(**options).chat.completions.create(model=GPT, messages=marked(script))


@check
def white_space_ahead_of_an_answer_is_no_part_of_it():
    with client().chat.completions.with_streaming_response.create(
        model=GPT, messages=marked("text=late queue=300ms")
    ) as answer:
        raw = answer.read().decode()
    assert raw.startswith("  "), raw[:9]
    assert strict_completion(raw).choices[0].message.content == "late"
    assert create("text=late queue=300ms").choices[0].message.content == "late"


@check
def a_failure_behind_white_space_is_no_answer():
    with buys(1):
        try:
            create("queue=300ms task=failed")
        except openai.APIConnectionError:
            return
    raise AssertionError("no failure")


@check
def the_sdks_own_retry_is_told_why():
    with buys(1):
        try:
            create("queue=300ms task=failed error-code=fell_over", max_retries=2)
        except openai.InternalServerError as error:
            assert (error.status_code, error.code) == (502, "fell_over"), error
        else:
            raise AssertionError("no failure")


run()
