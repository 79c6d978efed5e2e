"""Keys of the proxy's own: the SDK's exceptions, and its own patience with limits."""

import time

import openai
from harness import CLAUDE, GPT, buys, check, run, user
from support import client

# As the test lists them.
UNLIMITED = "fbk-unlimited-1c9e7d3a"
TWO_A_MINUTE = "fbk-two-a-minute-77a1c2"
PACED = "fbk-ten-a-minute-5be0"
ONLY_GPT = "fbk-only-gpt-40f2"


def ask(key, **request):
    retries = request.pop("max_retries", 0)
    asking = client(api_key=key, max_retries=retries).chat.completions
    return asking.with_raw_response.create(**{"model": GPT, "messages": user("hello"), **request})


def failure(expected, key, **request):
    with buys(0):
        try:
            ask(key, **request)
        except openai.APIStatusError as error:
            assert type(error) is expected, f"{type(error).__name__}: {error}"
            assert set(error.response.json()["error"]) == {"message", "type", "param", "code"}
            assert key not in error.message
            return error
    raise AssertionError("no failure")


@check
def a_known_key_is_served():
    with buys(1):
        assert ask(UNLIMITED).parse().choices[0].message.content


@check
def an_unknown_key_is_an_authentication_error():
    for key in ("fbk-unknown", "sk-unknown", UNLIMITED + "x"):
        error = failure(openai.AuthenticationError, key)
        assert error.code == "invalid_api_key"
    failure(openai.AuthenticationError, "fbk-unknown", stream=True)


@check
def a_model_that_is_not_allowed_is_a_permission_error():
    assert ask(ONLY_GPT).parse().choices
    error = failure(openai.PermissionDeniedError, ONLY_GPT, model=CLAUDE)
    assert (error.code, error.param) == ("model_not_found", "model")
    listed = [model.id for model in client(api_key=ONLY_GPT).models.list()]
    assert listed and all(name.startswith("gpt-") for name in listed), listed


@check
def a_limit_that_is_reached_is_a_rate_limit_error():
    for left in ("1", "0"):
        assert ask(TWO_A_MINUTE).headers["x-ratelimit-remaining-requests"] == left
    error = failure(openai.RateLimitError, TWO_A_MINUTE)
    assert (error.code, error.type) == ("rate_limit_exceeded", "requests")
    assert "two-a-minute" in error.message
    headers = error.response.headers
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert 1 <= int(headers["retry-after"]) <= 60
    assert 1000 <= int(headers["retry-after-ms"]) <= 60000


@check
def the_sdk_waits_as_it_is_told_and_is_served():
    told = 0
    # A slow machine may come too late to be refused again; then it is the next one's turn.
    while told < 4:
        try:
            ask(PACED)
        except openai.RateLimitError as error:
            told = int(error.response.headers["retry-after-ms"]) / 1000
    began = time.monotonic()
    with buys(1):
        served = ask(PACED, max_retries=2)
    waited = time.monotonic() - began
    assert served.http_response.request.headers["x-stainless-retry-count"] == "1"
    assert waited > 1, f"{waited} of {told}"


run()
