"""What every file of checks shares: the runner, the simulator's journal, and conversations that script the simulator.

Clients find the bridge by OPENAI_BASE_URL and OPENAI_API_KEY in the environment, as they do for any user.
JOURNAL_URL answers with what the simulated upstream has seen so far, as JSON.
"""

import asyncio
import inspect
import ipaddress
import json
import os
import sys
import time
import traceback
import urllib.request
from contextlib import contextmanager

GPT = "gpt-5.5"
CLAUDE = "claude-opus-4-7"
GEMINI = "gemini-3.1-pro-preview"
KIMI = "kimi-k2.6"

_checks = []
_strays = []


def _keep_at_home(event, arguments):
    """A library that wants to reach anything but this machine is stopped, and the run fails even if it says nothing."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost") or _is_loopback(host):
        return
    _strays.append(host)
    raise PermissionError(f"{host} is not this machine")


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


sys.addaudithook(_keep_at_home)


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
    if _strays:
        failed += 1
        print(f"FAIL  nothing but the bridge is called\n{_strays}", flush=True)
    sys.exit(1 if failed else 0)


def user(content):
    return [{"role": "user", "content": content}]


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
