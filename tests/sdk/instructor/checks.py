"""instructor: answers that are instances of a class, by tools, by a schema or by JSON in the text."""

from collections.abc import Iterable

import instructor
from harness import CLAUDE, GEMINI, GPT, KIMI, buys, check, marked, run, user
from instructor import Mode
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field

PLAN = user("Plan an event in Paris.")


class Place(BaseModel):
    town: str
    seats: int = Field(ge=10)


class Event(BaseModel):
    """Something that happens."""

    name: str
    participants: list[str]
    place: Place


def structured(mode=Mode.TOOLS):
    return instructor.from_openai(OpenAI(max_retries=0), mode=mode).chat.completions


@check
def every_model_family_fills_a_class():
    for model in (GPT, CLAUDE, GEMINI, KIMI):
        with buys(1):
            event = structured().create(model=model, messages=PLAN, response_model=Event, max_retries=0)
        assert isinstance(event, Event) and event.place.seats >= 10


@check
def every_mode_fills_a_class():
    for mode in (Mode.TOOLS, Mode.TOOLS_STRICT, Mode.PARALLEL_TOOLS, Mode.JSON_SCHEMA):
        model = Iterable[Event] if mode is Mode.PARALLEL_TOOLS else Event
        with buys(1):
            made = structured(mode).create(model=GPT, messages=PLAN, response_model=model, max_retries=0)
        events = list(made) if mode is Mode.PARALLEL_TOOLS else [made]
        assert events and all(isinstance(event, Event) for event in events), mode


@check
def json_in_the_text_fills_a_class():
    text = '{\\"name\\":\\"fair\\",\\"participants\\":[],\\"place\\":{\\"town\\":\\"Paris\\",\\"seats\\":10}}'
    for mode in (Mode.JSON, Mode.MD_JSON):
        with buys(1):
            event = structured(mode).create(
                model=GPT, messages=marked(f'text="{text}"'), response_model=Event, max_retries=0
            )
        assert event.place.town == "Paris", mode


@check
def the_completion_comes_along():
    with buys(1):
        event, completion = structured().create_with_completion(
            model=GPT, messages=PLAN, response_model=Event, max_retries=0
        )
    assert isinstance(event, Event)
    assert completion.model == GPT and completion.usage.total_tokens > 0


@check
def a_class_is_filled_bit_by_bit():
    with buys(1):
        states = list(structured().create_partial(model=GPT, messages=PLAN, response_model=Event, max_retries=0))
    assert len(states) > 1
    assert Event.model_validate(states[-1].model_dump())


@check
async def asynchronous_calls_fill_a_class():
    async with AsyncOpenAI(max_retries=0) as client:
        patched = instructor.from_openai(client).chat.completions
        with buys(1):
            event = await patched.create(model=GPT, messages=PLAN, response_model=Event, max_retries=0)
    assert isinstance(event, Event)


@check
def a_task_that_failed_is_not_bought_again():
    with buys(1):
        try:
            instructor.from_openai(OpenAI()).chat.completions.create(
                model=GPT, messages=marked("task=failed error-code=provider_error"), response_model=Event
            )
        except Exception as error:
            assert "provider" in str(error).lower(), error
        else:
            raise AssertionError("no failure")


run()
