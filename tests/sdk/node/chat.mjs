// Plain answers and the model list, by promise.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { CLAUDE, GEMINI, GPT, buys, check, journal, run, user } from './harness.mjs';
import { SHAPES, client } from './support.mjs';

check('a plain answer names what was asked for', async () => {
  const completion = await buys(1, () =>
    client().chat.completions.create({ model: GPT, messages: user('count 1 to 3') }),
  );
  assert.equal(completion.object, 'chat.completion');
  assert.equal(completion.model, GPT);
  assert.ok(completion.choices[0].message.content.includes('count 1 to 3'));
  assert.equal(completion.choices[0].finish_reason, 'stop');
  assert.equal(completion.usage.total_tokens, completion.usage.prompt_tokens + completion.usage.completion_tokens);
});

check('every message shape is answered', async () => {
  for (const [name, messages] of Object.entries(SHAPES)) {
    const completion = await client().chat.completions.create({ model: GEMINI, messages });
    assert.ok(completion.choices[0].message.content, name);
  }
});

check('two calls run at once', async () => {
  const answers = await buys(2, () =>
    Promise.all(
      ['name a colour', 'name a town'].map((text) =>
        client().chat.completions.create({ model: GPT, messages: user(text) }),
      ),
    ),
  );
  assert.ok(answers[0].choices[0].message.content.includes('name a colour'));
  assert.ok(answers[1].choices[0].message.content.includes('name a town'));
});

check('with the response come its headers', async () => {
  const { data, response, request_id } = await client()
    .chat.completions.create({ model: GPT, messages: user('hello') })
    .withResponse();
  assert.ok(data.choices[0].message.content);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.ok(request_id);
});

check('claude without max_tokens and gpt with one token work, and the answers say what was changed', async () => {
  const claude = await client().chat.completions.create({ model: CLAUDE, messages: user('hello') }).withResponse();
  assert.match(claude.response.headers.get('x-foxbridge-adjusted'), /max_tokens/);
  const gpt = await client()
    .chat.completions.create({ model: GPT, messages: user('ping'), max_tokens: 1 })
    .withResponse();
  assert.match(gpt.response.headers.get('x-foxbridge-adjusted'), /max_tokens/);
  assert.equal((await journal()).submissions.at(-1).max_tokens, 16);
});

check('max_completion_tokens becomes max_tokens', async () => {
  await client().chat.completions.create({ model: CLAUDE, messages: user('hello'), max_completion_tokens: 77 });
  const sent = (await journal()).submissions.at(-1);
  assert.equal(sent.max_tokens, 77);
  assert.ok(!('max_completion_tokens' in sent));
});

check('models are listed and retrieved, and buy nothing', async () => {
  await buys(0, async () => {
    const listed = [];
    for await (const model of client().models.list()) listed.push(model);
    const model = await client().models.retrieve(GPT);
    assert.ok(listed.some(({ id }) => id === GPT));
    assert.equal(model.id, GPT);
    assert.equal(model.object, 'model');
    assert.ok(Number.isInteger(model.created));
    assert.equal(typeof model.owned_by, 'string');
    await assert.rejects(client().models.retrieve('gpt-2'), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
      return true;
    });
  });
});

await run();
