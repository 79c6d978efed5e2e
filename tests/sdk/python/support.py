"""What every file of checks shares: the clients, the simulator's journal, strict validation, and the runner.

The SDK reads OPENAI_BASE_URL and OPENAI_API_KEY from the environment, as it does for any user.
JOURNAL_URL answers with what the simulated upstream has seen so far, as JSON.
"""

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
import urllib.request
from contextlib import contextmanager

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

GPT = "gpt-5.5"
CLAUDE = "claude-opus-4-7"
GEMINI = "gemini-3.1-pro-preview"
KIMI = "kimi-k2.6"

_checks = []


def check(function):
    """Registers a check, sync or async; checks run in the order of the file."""
    _checks.append(function)
    return function


def run():
    """Runs every check, prints one line for each, and exits non-zero when one failed."""
    failed = 0
    for function in _checks:
        name = function.__name__.replace("_", " ")
        try:
            outcome = function()
            if inspect.isawaitable(outcome):
                asyncio.run(outcome)
            print(f"ok    {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {name}\n{traceback.format_exc(chain=False)}", flush=True)
    sys.exit(1 if failed else 0)


def client(**options):
    return OpenAI(**{"max_retries": 0, **options})


def async_client(**options):
    return AsyncOpenAI(**{"max_retries": 0, **options})


def user(text):
    return [{"role": "user", "content": text}]


def marked(script, text="count 1 to 3"):
    """A conversation whose text tells the simulator how to behave."""
    return user(f"{text} [[fox: {script}]]")


def journal():
    with urllib.request.urlopen(os.environ["JOURNAL_URL"], timeout=60) as answer:
        return json.load(answer)


@contextmanager
def buys(tasks):
    """The block must make the upstream accept exactly this many tasks."""
    before = journal()["tasks_accepted"]
    yield
    bought = journal()["tasks_accepted"] - before
    assert bought == tasks, f"bought {bought} tasks instead of {tasks}"


def eventually(condition, bound=10):
    """Waits for what the other side of a socket does in its own time."""
    until = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < until, f"not so within {bound} s"
        time.sleep(0.02)


def strict_completion(raw):
    """An answer as text, held strictly against the SDK's own types, and against what the types cannot say."""
    completion = ChatCompletion.model_validate_json(raw, strict=True)
    assert completion.id.startswith("chatcmpl"), completion.id
    assert [c.index for c in completion.choices] == list(range(len(completion.choices)))
    for choice in completion.choices:
        assert choice.message.role == "assistant"
    usage = completion.usage
    assert usage is not None, "an answer carries its usage"
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    return completion


def strict_stream(**request):
    """The chunks of a stream, each held strictly against the SDK's own types, then against each other."""
    with client().chat.completions.with_streaming_response.create(stream=True, **request) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        payloads = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert payloads.pop() == "[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(payload, strict=True) for payload in payloads]
    for same in ("id", "created", "model"):
        assert len({getattr(chunk, same) for chunk in chunks}) == 1, f"one {same} through a stream"
    choices = [choice for chunk in chunks for choice in chunk.choices]
    for index in {choice.index for choice in choices}:
        deltas = [choice for choice in choices if choice.index == index]
        assert deltas[0].delta.role == "assistant", "the first delta says the role"
        finished = [choice.finish_reason for choice in deltas if choice.finish_reason]
        assert len(finished) == 1, f"finish reasons of choice {index}: {finished}"
        assert deltas[-1].finish_reason, "the last delta says why it ended"
    return chunks


def joined(chunks):
    """The text of the first choice."""
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == 0)
