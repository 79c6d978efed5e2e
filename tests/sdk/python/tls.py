"""openai-python over HTTPS, with an authority that only its own settings know."""

import os
import ssl

import openai

context = ssl.create_default_context(cafile=os.environ["CA_FILE"])
client = openai.OpenAI(http_client=openai.DefaultHttpxClient(verify=context), max_retries=0)
messages = [{"role": "user", "content": "count 1 to 3"}]
answer = client.chat.completions.create(model="gpt-5.5", messages=messages)
assert answer.choices[0].message.content
chunks = list(client.chat.completions.create(model="gpt-5.5", messages=messages, stream=True))
assert chunks[-1].choices[0].finish_reason == "stop", chunks[-1]

stranger = openai.OpenAI(max_retries=0)
try:
    stranger.chat.completions.create(model="gpt-5.5", messages=messages)
except openai.APIConnectionError as error:
    assert "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__), error.__cause__
else:
    raise AssertionError("a certificate was trusted that nobody vouches for")
