"""What a model thinks before it answers: the task's result drops it, the answer has it all the same."""

from harness import GPT, KIMI, buys, check, journal, marked, run, user
from support import client, joined, strict_completion, strict_stream


def whole(**request):
    with buys(1):
        raw = client().chat.completions.with_raw_response.create(**request)
    message = strict_completion(raw.text).choices[0].message
    return message.content, message.model_extra.get("reasoning_content")


def streamed(**request):
    with buys(1):
        chunks = strict_stream(**request)
    parts = [c.delta.model_extra.get("reasoning_content") for chunk in chunks for c in chunk.choices]
    return joined(chunks), "".join(part for part in parts if part) or None


@check
def a_thinking_model_shows_its_thoughts_streamed_and_not():
    request = {"model": KIMI, "messages": user("think")}
    text, thoughts = whole(**request)
    assert text and thoughts
    assert streamed(**request) == (text, thoughts)


@check
def any_model_that_is_asked_to_think_shows_its_thoughts():
    request = {"model": GPT, "messages": user("think"), "reasoning_effort": "high"}
    text, thoughts = whole(**request)
    assert text and thoughts
    assert journal()["submissions"][-1]["reasoning_effort"] == "high"
    assert streamed(**request) == (text, thoughts)


@check
def a_model_that_is_not_asked_to_think_shows_none():
    for effort in ({}, {"reasoning_effort": "none"}):
        request = {"model": GPT, "messages": user("think"), **effort}
        assert whole(**request)[1] is None
        assert streamed(**request)[1] is None


@check
def thoughts_come_whole_although_the_stream_was_cut():
    for script in ("stream=cut@3", "stream=reset@12", "stream=cut@6+20", "open=500,ok"):
        text, thoughts = whole(model=KIMI, messages=marked(f"words=8 reasoning=8 {script}"))
        assert text.split() == [f"word{nth}" for nth in range(1, 9)], script
        assert thoughts.split() == [f"thought{nth}" for nth in range(1, 9)], script


@check
def an_answer_comes_even_if_its_thoughts_cannot_be_had():
    text, _ = whole(model=KIMI, messages=marked("words=8 open=500x*"))
    assert text.split() == [f"word{nth}" for nth in range(1, 9)]


run()
