// Live streams by for await: the same answer as without streaming, and a truthful end.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { GEMINI, GPT, buys, check, collect, eventually, journal, marked, run, user } from './harness.mjs';
import { SHAPES, client, joined } from './support.mjs';

const streamed = (request, options) => client().chat.completions.create({ ...request, stream: true }, options);

check('a stream joined is the answer without streaming', async () => {
  const request = { model: GPT, messages: user('quotes " and \\ and \n, ünïcödé 🦊') };
  const plain = await client().chat.completions.create(request);
  const chunks = await buys(1, async () => collect(await streamed(request)));
  assert.ok(chunks.length > 2);
  assert.equal(joined(chunks), plain.choices[0].message.content);
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
  assert.ok(chunks.every(({ object }) => object === 'chat.completion.chunk'));
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  const finished = chunks.flatMap(({ choices }) => choices).filter(({ finish_reason }) => finish_reason);
  assert.deepEqual(finished.map(({ finish_reason }) => finish_reason), ['stop']);
});

check('every message shape streams', async () => {
  for (const [name, messages] of Object.entries(SHAPES)) {
    assert.ok(joined(await collect(await streamed({ model: GEMINI, messages }))), name);
  }
});

check('two streams run at once', async () => {
  const [colour, town] = await buys(2, () =>
    Promise.all(
      ['name a colour', 'name a town'].map(async (text) =>
        joined(await collect(await streamed({ model: GPT, messages: user(text) }))),
      ),
    ),
  );
  assert.ok(colour.includes('name a colour'));
  assert.ok(town.includes('name a town'));
});

check('the stream helper puts the answer together', async () => {
  const plain = await client().chat.completions.create({ model: GPT, messages: user('count 1 to 3') });
  const helper = client().chat.completions.stream({ model: GPT, messages: user('count 1 to 3') });
  let deltas = '';
  helper.on('content', (delta) => (deltas += delta));
  assert.equal(await helper.finalContent(), plain.choices[0].message.content);
  assert.equal(deltas, plain.choices[0].message.content);
});

check('a failure in mid-stream is thrown and never a silent end', async () => {
  await buys(1, async () => {
    const stream = await streamed(
      { model: GPT, messages: marked('words=12 task=failed fail-after=5 error-code=provider_error') },
      { maxRetries: 2 },
    );
    const seen = [];
    await assert.rejects(
      async () => {
        for await (const chunk of stream) seen.push(chunk);
      },
      (error) => {
        assert.ok(error instanceof OpenAI.APIError, String(error));
        assert.equal(typeof error.error.message, 'string');
        assert.ok(error.type);
        return true;
      },
    );
    assert.ok(joined(seen), 'what came before the failure was delivered');
  });
});

check('a stream aborted midway is closed upstream too', async () => {
  await buys(1, async () => {
    const abort = new AbortController();
    const stream = await streamed(
      { model: GPT, messages: marked('words=12 stream=stall@3') },
      { signal: abort.signal },
    );
    const reading = stream[Symbol.asyncIterator]();
    assert.ok(!(await reading.next()).done);
    assert.equal((await journal()).streams_open, 1);
    abort.abort();
    await eventually(async () => (await journal()).streams_open === 0);
  });
});

await run();
