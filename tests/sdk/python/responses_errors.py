"""What goes wrong with responses: refusals that say where, streams that break, failures, and retries that buy once."""

from functools import partial

import openai
from harness import GPT, KIMI, buys, check, eventually, journal, marked, run, user
from support import async_client, client

FAILS = 'task=failed error-code=provider_error error-message="the wheel came off"'
AUDIO = {"data": "AA==", "format": "wav"}
PARAMETERS = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
TOOL = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}


def failure(expected, *, tasks=0, options=None, **request):
    """The exception that a call raises, streaming or not; `tasks` is how many tasks each may buy."""
    request = {"model": GPT, "input": "hello", "extra_body": request}
    for stream in (True, False):
        with buys(tasks):
            try:
                client(**options or {}).responses.create(stream=stream, **request)
            except openai.APIStatusError as caught:
                error = caught
            else:
                raise AssertionError(f"{request['extra_body']} was taken")
        assert type(error) is expected, f"{request['extra_body']}: {type(error).__name__}: {error}"
        complete(error)
    return error


def complete(error):
    body = error.response.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}, body
    assert isinstance(body["message"], str) and len(body["message"]) > 10, body
    assert isinstance(body["type"], str) and body["type"], body
    for word in ("param", "code"):
        assert body[word] is None or (isinstance(body[word], str) and body[word] != "None"), body
    assert error.request_id, "x-request-id"
    assert (error.code, error.type, error.param) == (body["code"], body["type"], body["param"])


def says(kind, **more):
    return [{"role": "user", "content": [{"type": kind, **more}]}]


@check
def what_is_wrong_is_named_with_its_place():
    missed = []
    for param, wrong in (
        ("model", {"model": 5}),
        ("model", {"model": None}),
        ("input", {"input": None}),
        ("input", {"input": 5}),
        ("input", {"input": []}),
        ("input", {"input": {"role": "user"}}),
        ("input[0]", {"input": ["hello"]}),
        ("input[1]", {"input": [*user("hello"), 5]}),
        ("input[0].type", {"input": [{"content": "hello"}]}),
        ("input[0].role", {"input": [{"type": "message", "content": "hello"}]}),
        ("input[0].role", {"input": [{"role": "king", "content": "hello"}]}),
        ("input[0].content", {"input": [{"role": "user"}]}),
        ("input[0].content", {"input": [{"role": "user", "content": 5}]}),
        ("input[0].content[0]", {"input": [{"role": "user", "content": ["hello"]}]}),
        ("input[0].content[0].text", {"input": says("input_text")}),
        ("input[0].content[0].text", {"input": says("input_text", text=5)}),
        ("input[0].content[0].type", {"input": says(5)}),
        ("input[0].content[0].image_url", {"input": says("input_image", image_url=5)}),
        ("input[0].content[0].file_id", {"input": says("input_image", file_id="file-abc")}),
        ("input[0].content[0].file_id", {"input": says("input_file", file_id="file-abc")}),
        ("input[0].content[0]", {"input": says("input_file", filename="empty.pdf")}),
        ("input[0].content[0].input_audio", {"input": says("input_audio")}),
        ("input[0].content[0].input_audio", {"input": says("input_audio", input_audio={**AUDIO, "format": "x"})}),
        ("input[0].type", {"input": [{"type": "smell", "text": "roses"}]}),
        ("input[0].type", {"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}),
        ("input[0].call_id", {"input": [{"type": "function_call_output", "output": "fine"}]}),
        ("input[0].output", {"input": [{"type": "function_call_output", "call_id": "call_1"}]}),
        ("input[0].name", {"input": [{"type": "function_call", "call_id": "call_1", "arguments": "{}"}]}),
        ("input[0].arguments", {"input": [{"type": "function_call", "call_id": "c", "name": "x", "arguments": 5}]}),
        ("instructions", {"instructions": 5}),
        ("max_output_tokens", {"max_output_tokens": "many"}),
        ("max_output_tokens", {"max_output_tokens": 0}),
        ("metadata", {"metadata": 5}),
        ("store", {"store": "yes"}),
        ("stream", {"stream": "yes"}),
        ("background", {"background": "yes"}),
        ("previous_response_id", {"previous_response_id": 5}),
        ("n", {"n": 2}),
        ("max_tokens", {"max_tokens": 64}),
        ("messages", {"messages": user("hello")}),
        ("conversation", {"conversation": "conv_1"}),
        ("prompt", {"prompt": {"id": "pmpt_1"}}),
        ("reasoning", {"reasoning": 5}),
        ("reasoning.summary", {"reasoning": {"summary": "long"}}),
        ("text", {"text": 5}),
        ("text.format", {"text": {"format": "json"}}),
        ("tools", {"tools": 5}),
        ("tools[0]", {"tools": [5]}),
        ("tools[0].type", {"tools": [{"name": "get_weather"}]}),
        ("tools[1].name", {"tools": [TOOL, {"type": "function", "parameters": PARAMETERS}]}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": 5}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": "sometimes"}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": {"type": "web_search_preview"}}),
    ):
        try:
            error = failure(openai.BadRequestError, **wrong)
            assert error.param == param or (error.param or "").startswith(f"{param}."), f"{wrong}: {error.param}"
        except AssertionError as fault:
            missed.append(str(fault))
    assert not missed, "\n".join(missed)


@check
def each_built_in_tool_is_named_and_costs_nothing():
    for tool in (
        {"type": "web_search"},
        {"type": "web_search_2025_08_26"},
        {"type": "web_search_preview"},
        {"type": "web_search_preview_2025_03_11"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "computer"},
        {"type": "computer_use_preview", "display_height": 9, "display_width": 9, "environment": "browser"},
        {"type": "mcp", "server_label": "docs", "server_url": "https://example.com/mcp"},
        {"type": "image_generation"},
        {"type": "local_shell"},
        {"type": "shell"},
        {"type": "apply_patch"},
        {"type": "tool_search"},
        {"type": "namespace", "name": "crm", "description": "x", "tools": [TOOL]},
        {"type": "programmatic_tool_calling"},
        {"type": "from_the_future"},
    ):
        for tools in ([tool], [TOOL, tool]):
            error = failure(openai.BadRequestError, tools=tools)
            assert error.param.startswith(f"tools[{len(tools) - 1}]") and tool["type"] in error.message, error


@check
def a_key_that_is_refused_is_an_authentication_error():
    assert failure(openai.AuthenticationError, options={"api_key": "sk-invalid"}).code == "invalid_api_key"
    for call in (client().responses.retrieve, client().responses.delete, client().responses.input_items.list):
        try:
            call("resp_unknown", extra_headers={"Authorization": openai.Omit()})
        except openai.AuthenticationError as error:
            complete(error)
        else:
            raise AssertionError("no failure")


@check
def what_is_not_served_under_responses_is_not_found():
    for call in (client().responses.compact, client().responses.input_tokens.count):
        with buys(0):
            try:
                call(model=GPT, input="hello")
            except openai.APIStatusError as error:
                assert error.status_code in {404, 405}, error
                complete(error)
            else:
                raise AssertionError("no failure")


@check
def refusals_of_the_upstream_are_real_statuses_also_of_streams():
    for expected, request in (
        (openai.NotFoundError, {"model": "gpt-2"}),
        (openai.RateLimitError, {"input": marked("submit=429x* retry-after=7")}),
        (openai.RateLimitError, {"input": marked("submit=402x*")}),
        (openai.InternalServerError, {"input": marked("submit=503x*")}),
        (openai.InternalServerError, {"input": marked("submit=html:502x*")}),
        (openai.UnprocessableEntityError, {"input": marked("submit=422:invalid_paramx*")}),
        (openai.UnprocessableEntityError, {"input": says("input_smell", text="roses")}),
        (openai.UnprocessableEntityError, {"text": {"format": {"type": "xml"}}}),
        (openai.UnprocessableEntityError, {"tools": [TOOL], "tool_choice": {"type": "function", "name": "unknown"}}),
        (openai.UnprocessableEntityError, {"input": says("input_audio", input_audio=AUDIO)}),
    ):
        error = failure(expected, **request)
    assert error.code == "model_not_support_capability" and error.param == "input[0].content[0]", error.param
    assert "gpt-2" in failure(openai.NotFoundError, model="gpt-2", background=True).message
    accepted = failure(openai.InternalServerError, tasks=1, input=marked("submit=accept+garbagex*"))
    assert accepted.response.headers["x-should-retry"] == "false"


@check
def a_failure_before_the_answer_is_an_exception_and_not_bought_again():
    for model, script, code in (
        (GPT, FAILS, "provider_error"),
        (KIMI, f"{FAILS} fail-after=5", "provider_error"),
        (GPT, "task=cancelled", "task_cancelled"),
        (GPT, "results=nullx*", "results_missing"),
    ):
        with buys(1):
            try:
                client(max_retries=2).responses.create(model=model, input=marked(script))
            except openai.InternalServerError as error:
                complete(error)
                assert error.code == code and error.response.headers["x-foxbridge-task-id"], error
                assert code != "provider_error" or "the wheel came off" in error.message
            else:
                raise AssertionError(f"{script}: no failure")


@check
def what_was_bought_is_found_by_the_sdk_s_own_retries():
    for request in ({}, {"stream": True}, {"background": True}, {"background": True, "stream": True}):
        with buys(1):
            impatient = client(max_retries=4, timeout=0.6)
            script = marked("text=patience submit-latency=1500ms")
            answer = impatient.responses.create(model=GPT, input=script, **request)
            response = list(answer)[-1].response if "stream" in request else answer
            eventually(lambda: client().responses.retrieve(response.id).output_text == "patience")
    before = journal()["submits"]
    for request in ({}, {"background": True}):
        with buys(1):
            script = marked("submit=429x1 retry-after=1")
            assert client(max_retries=2).responses.create(model=GPT, input=script, **request).id
    assert journal()["submits"] == before + 4


@check
def an_idempotency_key_buys_once_and_finds_the_same_response():
    for name, request in (("one", {}), ("two", {"background": True})):
        headers = {"Idempotency-Key": name}
        with buys(1):
            create = partial(client().responses.create, model=GPT, extra_headers=headers)
            assert len({create(input="hello", **request).id for _ in range(3)}) == 1
        with buys(0):
            try:
                create(input="goodbye")
            except openai.UnprocessableEntityError as error:
                complete(error)
            else:
                raise AssertionError("another body was taken under the same key")


@check
async def asynchronous_calls_raise_the_same():
    async with async_client() as asynchronous:
        for request in ({}, {"stream": True}, {"background": True}):
            try:
                await asynchronous.responses.create(model="gpt-2", input="hello", **request)
            except openai.NotFoundError as error:
                assert error.code == "model_not_found"
            else:
                raise AssertionError("no failure")


run()
