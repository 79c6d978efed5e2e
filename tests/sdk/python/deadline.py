"""Tasks that outlast the bridge's deadline, which is short here: the SDK's own retries wait on for what was bought."""

import openai
from harness import GPT, buys, check, marked, run
from support import client


def create(script, **options):
    return client(**options).chat.completions.create(model=GPT, messages=marked(script))


@check
def a_retry_waits_on_for_the_task_that_was_bought():
    with buys(1):
        completion = create("text=patience first-chunk=1500ms", max_retries=2)
    assert completion.choices[0].message.content == "patience"


@check
def a_task_that_never_ends_is_bought_once_and_given_up():
    with buys(1):
        try:
            create("task=stuck", max_retries=2)
        except openai.InternalServerError as error:
            assert error.status_code == 504
            assert error.code == "task_deadline_exceeded"
            assert error.response.request.headers["x-stainless-retry-count"] == "2"
        else:
            raise AssertionError("no failure")


run()
