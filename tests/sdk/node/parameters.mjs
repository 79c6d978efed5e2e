// Everything that a request can say: it arrives as it was sent, and the answer keeps to it.

import assert from 'node:assert/strict';
import { CLAUDE, GPT, KIMI, buys, check, collect, journal, marked, run, user } from './harness.mjs';
import { client, joined } from './support.mjs';

/** Makes a call, and returns its answer and what was submitted for it. */
async function submitted(request) {
  const completion = await buys(1, () =>
    client().chat.completions.create({ model: GPT, messages: user('hello'), ...request }),
  );
  return { completion, sent: (await journal()).submissions.at(-1) };
}

const streamed = (request) =>
  buys(1, async () =>
    collect(
      await client().chat.completions.create({ model: GPT, messages: user('hello'), ...request, stream: true }),
    ),
  );

check('a request that needs no translation is submitted byte for byte', async () => {
  let written;
  const spying = client({
    fetch: (url, init) => {
      written = init.body;
      return fetch(url, init);
    },
  });
  const unknown = { x_future: { z: 1, a: [1e300, -0.1, null, {}] }, x_text: 'quotes " and \\ and \n, ünïcödé 🦊' };
  for (const stream of [false, true]) {
    const answer = await spying.chat.completions.create({ model: GPT, messages: user('hello'), stream, ...unknown });
    if (stream) await collect(answer);
    assert.equal((await journal()).last_submission_text, written);
  }
});

check('every parameter of today travels on', async () => {
  const said = {
    frequency_penalty: 0.5,
    logit_bias: { 50256: -100 },
    max_tokens: 64,
    metadata: { ticket: '42' },
    modalities: ['text'],
    parallel_tool_calls: false,
    prediction: { type: 'content', content: 'hello' },
    presence_penalty: -0.5,
    seed: 11,
    service_tier: 'auto',
    stop: ['one', 'two'],
    store: false,
    temperature: 1,
    top_p: 0.9,
    user: 'someone',
    verbosity: 'low',
  };
  const { sent } = await submitted(said);
  for (const [name, value] of Object.entries(said)) assert.deepEqual(sent[name], value, name);
});

check('the developer is heard, and a stop ends the answer', async () => {
  const developer = await submitted({
    messages: [{ role: 'developer', content: 'Be terse.' }, ...user('hello')],
  });
  assert.match(developer.completion.choices[0].message.content, /A system prompt is present\./);
  const stopped = await submitted({ messages: marked('words=6'), stop: ['nowhere', 'word3'] });
  assert.equal(stopped.completion.choices[0].message.content.trim(), 'word1 word2');
});

check('two choices are told apart', async () => {
  const request = { messages: marked('words=9'), n: 2 };
  const { completion } = await submitted(request);
  const texts = completion.choices.map(({ message }) => message.content);
  assert.equal(new Set(texts).size, 2);
  const chunks = await streamed(request);
  assert.deepEqual([joined(chunks, 0), joined(chunks, 1)], texts);
});

check('every token comes with its probability', async () => {
  const request = { logprobs: true, top_logprobs: 2 };
  const { completion } = await submitted(request);
  const [choice] = completion.choices;
  const inChunks = (await streamed(request)).flatMap(({ choices }) => choices[0].logprobs?.content ?? []);
  for (const tokens of [choice.logprobs.content, inChunks]) {
    assert.equal(tokens.map(({ token }) => token).join(''), choice.message.content);
    assert.ok(tokens.every(({ logprob, top_logprobs }) => logprob <= 0 && top_logprobs.length === 2));
  }
});

check('usage is the last chunk exactly when asked for', async () => {
  // FoxAPI's stream has such a chunk or has none; a client sees no difference.
  for (const upstream of ['on', 'off']) {
    const request = { messages: marked(`usage-chunk=${upstream}`) };
    const { completion } = await submitted(request);
    const asked = await streamed({ ...request, stream_options: { include_usage: true } });
    const last = asked.pop();
    assert.deepEqual(last.choices, []);
    assert.deepEqual(last.usage, completion.usage);
    for (const chunk of [...asked, ...(await streamed(request))]) {
      assert.ok(chunk.choices.length && !chunk.usage);
    }
  }
});

check('who thinks shows it, streamed and not', async () => {
  for (const request of [{ model: KIMI }, { model: GPT, reasoning_effort: 'high' }]) {
    const { completion } = await submitted(request);
    const thoughts = completion.choices[0].message.reasoning_content;
    assert.ok(thoughts);
    const chunks = await streamed(request);
    assert.equal(chunks.map(({ choices }) => choices[0].delta.reasoning_content ?? '').join(''), thoughts);
    assert.equal(joined(chunks), completion.choices[0].message.content);
  }
  const { completion } = await submitted({});
  assert.ok(!completion.choices[0].message.reasoning_content);
});

check('an answer names the model that was asked for, and a header the other', async () => {
  for (const [asked, served] of [
    ['gpt-4o', GPT],
    ['claude-3-5-sonnet-latest', CLAUDE],
  ]) {
    const { data, response } = await client()
      .chat.completions.create({ model: asked, messages: user('hello') })
      .withResponse();
    assert.equal(data.model, asked);
    assert.equal(response.headers.get('x-foxbridge-model'), served);
    assert.ok((await streamed({ model: asked })).every(({ model }) => model === asked));
  }
  const listed = await collect(await client().models.list());
  assert.ok(listed.some(({ id }) => id === 'gpt-4o'));
});

check('a request keeps the id that its sender gave it', async () => {
  const { request_id } = await client()
    .chat.completions.create({ model: GPT, messages: user('hello') }, { headers: { 'X-Request-Id': 'my-own.id_1' } })
    .withResponse();
  assert.equal(request_id, 'my-own.id_1');
});

await run();
