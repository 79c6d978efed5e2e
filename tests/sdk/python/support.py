"""The SDK's clients without its retries, and strict validation by its own types."""

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk


def client(**options):
    return OpenAI(**{"max_retries": 0, **options})


def async_client(**options):
    return AsyncOpenAI(**{"max_retries": 0, **options})


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


def joined(chunks, index=0):
    """The text of one choice."""
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index)
