"""The SDK's clients without its retries, and strict validation by its own types."""

import json
from typing import get_args

from harness import GPT, buys, journal
from openai import APIStatusError, AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent, ResponseUsage
from pydantic import BaseModel


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


# What the Responses API has beyond the SDK's types, at OpenAI as well.
UNTYPED = {
    "Response": {"store", "frequency_penalty", "presence_penalty"},
    "ResponseFunctionCallArgumentsDoneEvent": {"name"},
    "ResponseCustomToolCall": {"status"},
    "Logprob": {"bytes"},
    "LogprobTopLogprob": {"bytes"},
}
ENDED = {"completed", "incomplete", "failed", "cancelled"}
KINDS = get_args(get_args(ResponseStreamEvent)[0])
EVENTS = {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in KINDS}
PREFIX = {"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}
CALLS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}
STEMS = {part: f"response.{part}" for part in ("output_text", "refusal", "reasoning_text")}
STEMS["summary_text"] = "response.reasoning_summary_text"


def strict_response(raw):
    """An answer as text, held strictly against the SDK's own types, and against what the types cannot say."""
    response = Response.model_validate_json(raw, strict=True)
    without_strangers(response)
    sound(response)
    return response


def without_strangers(value):
    """The SDK's types take any further field, and a misspelt one unnoticed. But the upstream's own counts travel on."""
    if isinstance(value, BaseModel) and not isinstance(value, ResponseUsage):
        kind = type(value).__name__
        strangers = set(value.model_extra or ()) - UNTYPED.get(kind, set())
        assert not strangers, f"{kind} has no {strangers}"
        value = list(vars(value).values())
    for inner in value if isinstance(value, list) else []:
        without_strangers(inner)


def sound(response):
    """Ids, states and counts go together."""
    task = response.id.removeprefix("resp_")
    assert task and task != response.id, response.id
    for index, item in enumerate(response.output):
        assert item.id == f"{PREFIX[item.type]}_{task}_{index}", item.id
        if response.status == "completed":
            assert item.status == "completed" or (item.type, item.status) == ("reasoning", None), item.status
    assert (response.error is not None) == (response.status == "failed"), response.error
    assert (response.incomplete_details is not None) == (response.status == "incomplete")
    assert response.completed_at is None or response.status == "completed"
    if response.status in {"completed", "incomplete"}:
        usage = response.usage
        assert usage is not None, "an answer carries its usage"
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        assert usage.output_tokens_details.reasoning_tokens <= usage.output_tokens
        assert usage.input_tokens_details.cached_tokens <= usage.input_tokens
    elif response.status not in ENDED:
        assert response.usage is None and response.completed_at is None


def lines_of(answer):
    """The lines of a body; what else Unicode takes for the end of a line is text here."""
    rest = b""
    for piece in answer.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in lines)
    assert rest == b"", f"broken off within {rest}"


def events_of(answer):
    """The events of a streaming answer as they come, each held strictly against the SDK's own type of it."""
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    name = None
    for line in lines_of(answer):
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            assert json.loads(value)["type"] == name, f"event: {name}, but {value}"
            event, name = EVENTS[name].model_validate_json(value, strict=True), None
            without_strangers(event)
            yield event
        else:
            assert line == "" or line.startswith(":"), line


def strict_events(**request):
    """The events of a stream, each held strictly against the SDK's own types, then against each other."""
    with client().responses.with_streaming_response.create(stream=True, **request) as answer:
        return whole(list(events_of(answer)))


def replayed(response_id, **request):
    """The events of a background response as a later call is told them, by themselves no whole sequence."""
    with client().responses.with_streaming_response.retrieve(response_id, stream=True, **request) as answer:
        return list(events_of(answer))


def whole(events):
    """Events that are a response from its first to its last: what opens is closed, and all of it adds up."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    head = ["created", *(["queued"] if last.background else []), "in_progress"]
    opening, body = events[: len(head)], events[len(head) : -1]
    assert [event.type for event in opening] == [f"response.{kind}" for kind in head]
    assert events[-1].type == f"response.{last.status}" and last.status in ENDED, events[-1].type
    for event in opening:
        assert event.response.status in {"queued", "in_progress"} and event.response.output == []
        assert (event.response.id, event.response.created_at) == (last.id, last.created_at)
    for event in (*opening, events[-1]):
        sound(event.response)
    order = [event.output_index for event in body]
    indices = list(dict.fromkeys(order))
    assert indices == list(range(len(indices))) and order == sorted(order), "one item after the other"
    failed = last.status == "failed"
    done = [of_item([event for event in body if event.output_index == index], failed) for index in indices]
    if not failed:
        assert [item.to_dict() for item in done] == [item.to_dict() for item in last.output]
    return events


def of_item(events, failed):
    """The item that these events tell of, once it is done; only a failure may leave it open."""
    added, *inner = events
    assert added.type == "response.output_item.added", added.type
    assert added.item.status in {"in_progress", None}
    for field in ("content", "summary", "arguments", "input"):
        assert not getattr(added.item, field, None), f"{field} before any of it was told"
    finished = inner and inner[-1].type == "response.output_item.done"
    assert finished or failed, f"{added.item.id} is never done"
    item = inner.pop().item if finished else None
    assert {event.item_id for event in inner} <= {added.item.id}
    if item:
        assert (item.id, item.type) == (added.item.id, added.item.type)
    if added.item.type in CALLS:
        of_call(inner, added.item, item)
        return item
    parts = {"content": [], "summary": []}
    keys = [("summary", e.summary_index) if "summary" in e.type else ("content", e.content_index) for e in inner]
    for key in dict.fromkeys(keys):
        first, behind = keys.index(key), len(keys) - keys[::-1].index(key)
        assert set(keys[first:behind]) == {key}, "one part after the other"
        assert key[1] == len(parts[key[0]]), key
        parts[key[0]].append(of_part(inner[first:behind], finished))
    for field, done in parts.items() if item else ():
        assert [part.to_dict() for part in getattr(item, field, None) or []] == done
    return item


def of_call(events, added, item):
    field, kind = CALLS[added.type]
    *deltas, done = events or [None]
    if item:
        assert all(event.type == f"{kind}.delta" for event in deltas) and done.type == f"{kind}.done"
        joined = "".join(event.delta for event in deltas)
        assert joined == getattr(done, field) == getattr(item, field), (joined, done, item)
        assert (item.name, item.call_id) == (added.name, added.call_id)


def of_part(events, finished):
    added, *deltas = events
    stem = STEMS[added.part.type]
    kind = "response.reasoning_summary_part" if added.part.type == "summary_text" else "response.content_part"
    field = "refusal" if added.part.type == "refusal" else "text"
    assert added.type == f"{kind}.added" and getattr(added.part, field) == "", added
    if not finished:
        return None
    *deltas, text, done = deltas
    assert all(event.type == f"{stem}.delta" for event in deltas), {event.type for event in deltas}
    assert (text.type, done.type) == (f"{stem}.done", f"{kind}.done"), (text.type, done.type)
    joined = "".join(event.delta for event in deltas)
    assert joined == getattr(text, field) == getattr(done.part, field), (joined, text, done.part)
    return done.part.to_dict()


def told(response):
    """What a response says, without what differs from task to task."""
    items = [{k: v for k, v in item.to_dict().items() if k not in {"id", "call_id"}} for item in response.output]
    return response.status, items, response.usage


def sent():
    """The roles and texts of the messages that reached the upstream last."""

    def text(content):
        return "".join(part.get("text", "") for part in content) if isinstance(content, list) else content

    return [(said["role"], text(said.get("content"))) for said in journal()["submissions"][-1]["messages"]]


def create(input="count 1 to 3", **request):
    """An answer in one piece, which buys one task."""
    with buys(1):
        raw = client().responses.with_raw_response.create(**{"model": GPT, "input": input, **request})
    return strict_response(raw.text)


def both(input="count 1 to 3", model=GPT, **request):
    """One answer in one piece and one as a stream, the same, for a task each."""
    response = create(input, model=model, **request)
    with buys(1):
        events = strict_events(input=input, model=model, **request)
    assert told(events[-1].response) == told(response)
    return response, events


def retrieve(response_id):
    return strict_response(client().responses.with_raw_response.retrieve(response_id).text)


def refused(expected, call, *arguments, **request):
    """The exception that a call raises."""
    try:
        call(*arguments, **request)
    except APIStatusError as error:
        assert type(error) is expected, f"{request}: {type(error).__name__}: {error}"
        return error
    raise AssertionError(f"{request} was taken")
