// Each failure as the SDK's own class, and what the SDK's two retries buy.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { GPT, buys, check, journal, marked, run, user } from './harness.mjs';
import { client } from './support.mjs';

/** The error of a call that may buy so many tasks. */
async function failure(kind, request = {}, { tasks = 0, options = {} } = {}) {
  let caught;
  await buys(tasks, () =>
    assert.rejects(
      client(options).chat.completions.create({ model: GPT, messages: user('hello'), ...request }),
      (error) => {
        caught = error;
        return true;
      },
    ),
  );
  assert.equal(caught.constructor, kind, String(caught));
  assert.deepEqual(Object.keys(caught.error).sort(), ['code', 'message', 'param', 'type']);
  assert.equal(typeof caught.error.message, 'string');
  assert.equal(typeof caught.type, 'string');
  assert.ok(caught.code === null || typeof caught.code === 'string');
  assert.ok(caught.param === null || typeof caught.param === 'string');
  assert.ok(caught.requestID);
  return caught;
}

check('a bad, missing or blank key is an authentication error', async () => {
  for (const options of [
    { apiKey: 'sk-invalid' },
    { defaultHeaders: { Authorization: null } },
    { defaultHeaders: { Authorization: 'Bearer ' } },
  ]) {
    const error = await failure(OpenAI.AuthenticationError, {}, { options });
    assert.equal(error.code, 'invalid_api_key');
  }
});

check('an unknown route is not found', async () => {
  await assert.rejects(client().embeddings.create({ model: GPT, input: 'hello' }), OpenAI.NotFoundError);
});

check('an unknown model says so', async () => {
  const error = await failure(OpenAI.NotFoundError, { model: 'gpt-2' });
  assert.equal(error.code, 'model_not_found');
});

check('bad requests name the parameter', async () => {
  for (const [param, wrong] of [
    ['messages', []],
    ['messages', 'hello'],
    ['model', 5],
    ['stream', 'yes'],
  ]) {
    const error = await failure(OpenAI.BadRequestError, { [param]: wrong });
    assert.ok(error.param?.startsWith(param), error.param);
  }
});

check('what a model cannot take is unprocessable', async () => {
  const video = [{ type: 'video_url', video_url: { url: 'https://example.com/clip.mp4' } }];
  const error = await failure(OpenAI.UnprocessableEntityError, { messages: user(video) });
  assert.equal(error.code, 'model_not_support_capability');
  assert.equal(error.param, 'messages[0].content[0]');
});

check('a balance that is used up is a rate limit error that stays', async () => {
  const before = (await journal()).submits;
  const error = await failure(
    OpenAI.RateLimitError,
    { messages: marked('submit=402x*') },
    { options: { maxRetries: 2 } },
  );
  assert.equal(error.code, 'insufficient_quota');
  assert.equal((await journal()).submits, before + 1);
});

check('what a provider wraps in JSON is told as a sentence', async () => {
  for (const shape of ['plain', 'nested', 'raw']) {
    const messages = marked(`task=failed error-message="the wheel came off" error-shape=${shape}`);
    const { error } = await failure(OpenAI.InternalServerError, { messages }, { tasks: 1 });
    assert.match(error.message, /the wheel came off/);
    assert.doesNotMatch(error.message, /\{/);
  }
});

check('refusals and troubles keep their class, also for streams', async () => {
  for (const stream of [false, true]) {
    await failure(OpenAI.RateLimitError, { messages: marked('submit=429x*'), stream });
    await failure(OpenAI.InternalServerError, { messages: marked('submit=503x*'), stream });
    await failure(OpenAI.InternalServerError, { messages: marked('submit=html:502x*'), stream });
  }
});

check('what was bought once is not bought again by the retries', async () => {
  for (const script of [
    'task=failed error-code=provider_error',
    'task=cancelled',
    'results=nullx*',
    'submit=accept+garbagex*',
    'submit=accept+resetx*',
    'submit=accept+html:502x*',
  ]) {
    await failure(
      OpenAI.InternalServerError,
      { messages: marked(script) },
      { tasks: 1, options: { maxRetries: 2 } },
    );
  }
});

check('a refused submit is sent again and bought once', async () => {
  for (const script of ['submit=429x1 retry-after=1', 'submit=422:service_unavailable_errorx1']) {
    const before = (await journal()).submits;
    const completion = await buys(1, () =>
      client({ maxRetries: 2 }).chat.completions.create({ model: GPT, messages: marked(script) }),
    );
    assert.ok(completion.choices[0].message.content);
    assert.equal((await journal()).submits, before + 2);
  }
});

check('a call that times out and is sent again is answered by the task it bought', async () => {
  const completion = await buys(1, () =>
    client({ maxRetries: 4, timeout: 600 }).chat.completions.create({
      model: GPT,
      messages: marked('text=patience submit-latency=1500ms'),
    }),
  );
  assert.equal(completion.choices[0].message.content, 'patience');
});

await run();
