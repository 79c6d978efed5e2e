"""Many calls at once through a balancer in front of two replicas, with the SDK's own retries; PREFIX names the calls.

Whoever runs this counts what was bought for each name. Printed is what came of the calls, as JSON.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import openai

CALLS = int(os.environ["CALLS"])
PREFIX = os.environ["PREFIX"]
AT_ONCE = 80

# What happens to a call, how long the SDK waits for each attempt, and whether it has an answer in the end.
WEATHER = [
    ("words=3", 60, True),
    ("submit-latency=1500ms words=3", 1.3, True),
    ("queue=1500ms words=3", 1.3, True),
    ("first-chunk=1500ms words=3", 1.3, True),
    # It gives up in the very moment in which its answer comes, or some milliseconds before or after that.
    ("queue=MOMENT words=3", 1.3, True),
    ("first-chunk=MOMENT words=3", 1.3, True),
    ("submit=429x1 retry-after=0 words=3", 60, True),
    ("query=500,reset,html:502,ok words=3", 60, True),
    ("submit=accept+reset words=3", 60, False),
    ("submit=reset words=3", 60, False),
    ("submit-latency=1500ms task=failed", 1.3, False),
]


def call(client, number):
    script, timeout, _ = WEATHER[number % len(WEATHER)]
    is_moment = "MOMENT" in script
    script = script.replace("MOMENT", f"{1000 * timeout - number * 7 % 12:.0f}ms")
    # Nobody retries what has begun: what is slow to go on is asked for in one piece.
    stream = number % 2 == 0 and not script.startswith(("queue", "first-chunk"))
    messages = [{"role": "user", "content": f"count 1 to 3 [[fox: id={PREFIX}{number} {script}]]"}]
    # For the balancer: a retry goes to the other replica.
    headers = {"x-case": str(number), "x-moment": str(int(is_moment)), "Connection": "close"}
    create = client.chat.completions.with_raw_response.create
    try:
        raw = create(
            model="gpt-5.5", messages=messages, stream=stream, timeout=timeout, extra_headers=headers
        )
        answer = raw.parse()
        if stream:
            text = "".join([c.choices[0].delta.content or "" for c in answer if c.choices])
        else:
            text = answer.choices[0].message.content
        assert text, f"{number}: an empty answer"
        return "answered", raw.headers.get("x-foxbridge-found") == "true"
    except openai.APIStatusError as error:
        return str(error.code or error.status_code), False
    except openai.APIError as error:
        return type(error).__name__, False


def main():
    # Not the asynchronous client, which may have read an answer in the turn in which it gives up: then nobody can know.
    client = openai.OpenAI(max_retries=6)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = list(threads.map(lambda number: call(client, number), range(CALLS)))
    told = {"answered": 0, "found": 0, "expected": 0, "others": {}}
    for number, (outcome, found) in enumerate(outcomes):
        told["expected"] += WEATHER[number % len(WEATHER)][2]
        told["found"] += found
        if outcome == "answered":
            told["answered"] += 1
        else:
            told["others"][outcome] = told["others"].get(outcome, 0) + 1
    json.dump(told, sys.stdout)


main()
