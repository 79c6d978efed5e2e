"""Each failure as the SDK's own exception, with everything that a person needs to go on."""

import openai
from harness import GPT, buys, check, marked, run, user
from openai import Omit
from support import async_client, client


def failure(expected, *, tasks=0, call=None, **request):
    """The exception that a call raises; `tasks` is how many tasks it may buy."""
    request = {"model": GPT, "messages": user("hello"), **request}
    call = call or client().chat.completions.create
    with buys(tasks):
        try:
            call(**request)
        except openai.APIStatusError as error:
            assert type(error) is expected, f"{type(error).__name__}: {error}"
            return complete(error)
    raise AssertionError("no failure")


def complete(error):
    body = error.response.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}, body
    assert isinstance(body["message"], str) and len(body["message"]) > 10, body
    assert isinstance(body["type"], str) and body["type"], body
    for word in ("param", "code"):
        assert body[word] is None or (isinstance(body[word], str) and body[word] != "None"), body
    assert error.request_id, "x-request-id"
    assert (error.code, error.type, error.param) == (body["code"], body["type"], body["param"])
    return error


@check
def a_bad_key_is_an_authentication_error():
    error = failure(openai.AuthenticationError, call=client(api_key="sk-invalid").chat.completions.create)
    assert error.code == "invalid_api_key"
    assert "sk-invalid" not in error.message
    stream = failure(openai.AuthenticationError, call=client(api_key="sk-invalid").chat.completions.create, stream=True)
    assert stream.code == "invalid_api_key"


@check
def a_missing_or_blank_key_is_an_authentication_error():
    missing = failure(openai.AuthenticationError, extra_headers={"Authorization": Omit()})
    blank = failure(openai.AuthenticationError, extra_headers={"Authorization": ""})
    foreign = failure(openai.AuthenticationError, extra_headers={"Authorization": "Basic dTpw"})
    for error in (missing, blank, foreign):
        assert error.code == "invalid_api_key", error.code


@check
def models_need_a_key_too():
    with buys(0):
        try:
            client(api_key="sk-invalid").models.list()
        except openai.AuthenticationError as error:
            complete(error)
        else:
            raise AssertionError("no failure")


@check
def an_unknown_route_is_not_found():
    for call in (
        lambda **_: client().embeddings.create(model=GPT, input="hello"),
        lambda **_: client().images.generate(prompt="a fox"),
        lambda **_: client(base_url=str(client().base_url) + "v2").models.list(),
    ):
        failure(openai.NotFoundError, call=call)


@check
def an_unknown_model_says_so():
    error = failure(openai.NotFoundError, model="gpt-2")
    assert error.code == "model_not_found"
    assert "gpt-2" in error.message


@check
def bad_requests_name_the_parameter():
    for param, wrong in (("messages", []), ("messages", "hello"), ("model", 5), ("stream", "yes")):
        error = failure(openai.BadRequestError, **{param: wrong})
        assert error.param and error.param.startswith(param), error.param


@check
def what_a_model_cannot_take_is_unprocessable():
    video = [{"type": "video_url", "video_url": {"url": "https://example.com/clip.mp4"}}]
    error = failure(openai.UnprocessableEntityError, messages=[{"role": "user", "content": video}])
    assert error.code == "model_not_support_capability"
    assert error.type == "invalid_request_error"
    assert error.param == "messages[0].content[0]"
    assert error.response.headers["x-foxbridge-upstream-status"] == "422"


@check
def a_limit_is_a_rate_limit_error():
    error = failure(openai.RateLimitError, messages=marked("submit=429x* retry-after=7"))
    assert error.code == "rate_limit_exceeded"
    assert error.response.headers["retry-after"] == "7"


@check
def a_balance_that_is_used_up_is_a_rate_limit_error_that_stays():
    for call in (
        client(api_key="sk-broke").chat.completions.create,
        lambda **request: client().chat.completions.create(**{**request, "messages": marked("submit=402x*")}),
    ):
        error = failure(openai.RateLimitError, call=call)
        assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota")
        assert error.response.headers["x-should-retry"] == "false"
        assert error.response.headers["x-foxbridge-upstream-status"] == "402"


@check
def a_model_without_a_channel_just_now_is_an_internal_server_error():
    for refusal, code in (
        ("422:service_unavailable_error", "model_unavailable"),
        ("422:no_available_model", "no_available_model"),
        ("422:no_compatible_channel", "no_compatible_channel"),
    ):
        error = failure(openai.InternalServerError, messages=marked(f"submit={refusal}x*"))
        assert (error.status_code, error.code) == (503, code)


@check
def upstream_trouble_is_an_internal_server_error():
    for script in ("submit=500x*", "submit=503x*", "submit=html:502x*", "submit=empty:500x*", "submit=garbagex*"):
        error = failure(openai.InternalServerError, messages=marked(script))
        assert "<" not in error.message, error.message
    accepted = failure(openai.InternalServerError, tasks=1, messages=marked("submit=accept+garbagex*"))
    assert accepted.response.headers["x-should-retry"] == "false"


@check
def a_failed_task_is_an_error_with_the_provider_s_words():
    error = failure(openai.InternalServerError, tasks=1, messages=marked("task=failed error-code=provider_error"))
    assert error.code == "provider_error"
    assert error.response.headers["x-foxbridge-task-id"]


@check
def what_a_provider_wraps_in_json_is_told_as_a_sentence():
    told = 'error-message="the wheel came off"'
    for shape in ("plain", "nested", "raw"):
        error = failure(openai.InternalServerError, tasks=1, messages=marked(f"task=failed {told} error-shape={shape}"))
        assert "the wheel came off" in error.message
        assert "{" not in error.body["message"], error.body["message"]


@check
def a_refusal_of_a_stream_is_a_real_status():
    failure(openai.RateLimitError, messages=marked("submit=429x*"), stream=True)
    failure(openai.InternalServerError, messages=marked("submit=503x*"), stream=True)
    failure(openai.UnprocessableEntityError, messages=marked("submit=422:invalid_paramx*"), stream=True)


@check
async def asynchronous_calls_raise_the_same():
    async with async_client(api_key="sk-invalid") as asynchronous:
        try:
            await asynchronous.chat.completions.create(model=GPT, messages=user("hello"))
        except openai.AuthenticationError as error:
            assert error.code == "invalid_api_key"
        else:
            raise AssertionError("no failure")


run()
