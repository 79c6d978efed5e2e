"""The legacy completions: a prompt in, a text out, held strictly against the SDK's own type."""

import json

from harness import GPT, KIMI, buys, check, run
from openai import BadRequestError
from openai.types import Completion
from support import client


def strict(raw):
    completion = Completion.model_validate_json(raw, strict=True)
    assert completion.id.startswith("cmpl-"), completion.id
    return completion


def strict_chunk(payload):
    """The type wants a finish reason in every choice; OpenAI itself sends null until the last one."""
    chunk = json.loads(payload)
    for choice in chunk["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
    strict(json.dumps(chunk))
    return json.loads(payload)


@check
def a_prompt_gets_a_text():
    for prompt in ("count 1 to 3", ["count 1 to 3"]):
        with buys(1):
            raw = client().completions.with_raw_response.create(model=GPT, prompt=prompt)
        choice = strict(raw.text).choices[0]
        assert "count 1 to 3" in choice.text
        assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)


@check
def several_texts_come_with_their_tokens():
    with buys(1):
        raw = client().completions.with_raw_response.create(
            model=GPT, prompt="count 1 to 3", n=2, best_of=2, logprobs=2
        )
    choices = strict(raw.text).choices
    assert [choice.index for choice in choices] == [0, 1]
    for choice in choices:
        tokens = choice.logprobs
        assert "".join(tokens.tokens) == choice.text
        for token, offset, top in zip(tokens.tokens, tokens.text_offset, tokens.top_logprobs, strict=True):
            assert choice.text[offset:].startswith(token)
            assert len(top) == 2


@check
def a_stream_says_the_same():
    request = {"model": KIMI, "prompt": "count 1 to 3", "stream": True, "stream_options": {"include_usage": True}}
    with buys(1), client().completions.with_streaming_response.create(**request) as answer:
        payloads = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert payloads.pop() == "[DONE]"
    chunks = [strict_chunk(payload) for payload in payloads]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0
    choices = [chunk["choices"][0] for chunk in chunks[:-1]]
    assert "count 1 to 3" in "".join(choice["text"] for choice in choices)
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert choices[-1]["finish_reason"] == "stop"


@check
def what_cannot_be_had_is_named_and_costs_nothing():
    for param, value in {
        "prompt": ["one", "two"],
        "echo": True,
        "suffix": "the end",
        "best_of": 3,
        "logprobs": 6,
    }.items():
        with buys(0):
            try:
                client().completions.create(**{"model": GPT, "prompt": "hello", param: value})
            except BadRequestError as error:
                assert error.param == param, error
            else:
                raise AssertionError(f"{param} was taken")


run()
