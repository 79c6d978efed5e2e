"""Everything that a request can say: it arrives as it was sent, and the answer is strictly valid."""

from harness import GEMINI, GPT, KIMI, buys, check, journal, marked, run, user
from support import client, joined, strict_completion, strict_stream

TOKEN_COUNT = {"include_usage": True}


def submitted(**request):
    """Makes a call that must be answered, and returns its answer and what was submitted for it."""
    with buys(1):
        raw = client().chat.completions.with_raw_response.create(**{"model": GPT, "messages": user("hello"), **request})
    return strict_completion(raw.text), journal()["submissions"][-1]


@check
def a_request_that_needs_no_translation_is_submitted_byte_for_byte():
    unknown = {
        "x_future": {"z": 1, "a": [2**70, 0.1, -0.0, 1e300, None, {}]},
        "x_text": 'quotes " and \\ and \n, ünïcödé 🦊, \u2028 and \u0000',
        "top_k": 7,
    }
    for stream in (False, True):
        raw = client().chat.completions.with_raw_response.create(
            model=GPT, messages=user("hello"), stream=stream, temperature=0.5, extra_body=unknown
        )
        raw.http_response.read()
        assert journal()["last_submission_text"].encode() == raw.http_request.content


@check
def every_parameter_of_today_travels_on():
    said = {
        "frequency_penalty": 0.5,
        "logit_bias": {"50256": -100},
        "max_tokens": 64,
        "metadata": {"ticket": "42"},
        "modalities": ["text"],
        "parallel_tool_calls": False,
        "prediction": {"type": "content", "content": "hello"},
        "presence_penalty": -0.5,
        "prompt_cache_key": "a-key",
        "safety_identifier": "someone",
        "seed": 11,
        "service_tier": "auto",
        "stop": ["one", "two"],
        "store": False,
        "temperature": 1,
        "top_p": 0.9,
        "user": "someone",
        "verbosity": "low",
    }
    _, sent = submitted(**said)
    assert {name: sent[name] for name in said} == said


@check
def the_developer_is_heard():
    messages = [{"role": "developer", "content": "Be terse."}, *user("hello")]
    completion, sent = submitted(messages=messages)
    assert "A system prompt is present." in completion.choices[0].message.content
    assert sent["messages"] == messages


@check
def an_answer_ends_before_any_of_the_stops():
    for stop in ("word3", ["nowhere", "word3"]):
        completion, sent = submitted(messages=marked("words=6"), stop=stop)
        assert sent["stop"] == stop
        assert completion.choices[0].message.content.strip() == "word1 word2"
        assert completion.choices[0].finish_reason == "stop"


@check
def an_answer_cut_short_says_so():
    completion, _ = submitted(messages=marked("words=40"), max_completion_tokens=16)
    assert completion.choices[0].finish_reason == "length"
    chunks = strict_stream(model=GPT, messages=marked("words=40"), max_completion_tokens=16)
    assert chunks[-1].choices[0].finish_reason == "length"


@check
def two_choices_are_told_apart():
    whole, _ = submitted(messages=marked("words=9"), n=2)
    texts = [choice.message.content for choice in whole.choices]
    assert len(set(texts)) == 2
    with buys(1):
        chunks = strict_stream(model=GPT, messages=marked("words=9"), n=2)
    assert [joined(chunks, index) for index in (0, 1)] == texts


@check
def every_token_comes_with_its_probability():
    whole, _ = submitted(logprobs=True, top_logprobs=2)
    choice = whole.choices[0]
    streamed = strict_stream(model=GPT, messages=user("hello"), logprobs=True, top_logprobs=2)
    in_chunks = [t for chunk in streamed for c in chunk.choices if c.logprobs for t in c.logprobs.content]
    for tokens in (choice.logprobs.content, in_chunks):
        assert "".join(token.token for token in tokens) == choice.message.content
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    unasked, _ = submitted()
    assert unasked.choices[0].logprobs is None


@check
def usage_is_the_last_chunk_exactly_when_asked_for():
    for model in (GPT, GEMINI, KIMI):
        # FoxAPI's stream has such a chunk or has none; a client sees no difference.
        for upstream in ("on", "off"):
            request = {"model": model, "messages": marked(f"usage-chunk={upstream}")}
            whole, _ = submitted(**request)
            *earlier, last = strict_stream(**request, stream_options=TOKEN_COUNT)
            assert last.choices == [] and last.usage == whole.usage, (model, upstream)
            assert all(chunk.choices and chunk.usage is None for chunk in earlier)
            for options in ({}, {"stream_options": {"include_usage": False}}):
                unasked = strict_stream(**request, **options)
                assert all(chunk.choices and chunk.usage is None for chunk in unasked), (model, upstream)


run()
