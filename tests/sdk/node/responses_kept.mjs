// The Responses API: what is kept and goes on, what runs in the background, and what fails.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { GPT, buys, check, collect, eventually, journal, marked, run } from './harness.mjs';
import { client } from './support.mjs';

const promptOf = (script) => marked(script)[0].content;
const create = (request, options) => client(options).responses.create({ model: GPT, input: 'hello', ...request });
const retrieve = (...of) => client().responses.retrieve(...of);
const textOf = ({ content }) => (typeof content === 'string' ? content : content.map(({ text }) => text).join(''));

/** The error of a call that may buy so many tasks. */
async function failure(kind, call, tasks = 0) {
  let caught;
  await buys(tasks, () =>
    assert.rejects(call, (error) => {
      caught = error;
      return true;
    }),
  );
  assert.equal(caught.constructor, kind, String(caught));
  assert.deepEqual(Object.keys(caught.error).sort(), ['code', 'message', 'param', 'type']);
  assert.equal(typeof caught.error.message, 'string');
  assert.ok(caught.requestID);
  return caught;
}

/** Follows a background response until it is no longer under way. */
async function ended(id) {
  let response;
  await eventually(async () => {
    response = await retrieve(id);
    return !['queued', 'in_progress'].includes(response.status);
  });
  return response;
}

check('a conversation goes on from what was kept', async () => {
  const first = await create({ input: 'My name is Vera.', instructions: 'Be terse.' });
  const stream = await create({ input: 'And I am 9.', previous_response_id: first.id, stream: true });
  const { response: second } = (await collect(stream)).at(-1);
  const third = await create({ input: 'Who am I?', previous_response_id: second.id });
  assert.equal(third.previous_response_id, second.id);
  // The instructions of an earlier response are not carried over.
  const { messages } = (await journal()).submissions.at(-1);
  assert.deepEqual(messages.map(textOf), [
    'My name is Vera.',
    first.output_text,
    'And I am 9.',
    second.output[0].content[0].text,
    'Who am I?',
  ]);
  assert.deepEqual(
    messages.map(({ role }) => role),
    ['user', 'assistant', 'user', 'assistant', 'user'],
  );
});

check('an item can be referred to', async () => {
  const { output, output_text } = await create({ input: 'My name is Vera.' });
  const { id } = output[0];
  await create({
    input: [
      { type: 'item_reference', id },
      { role: 'user', content: 'Go on.' },
    ],
  });
  assert.deepEqual((await journal()).submissions.at(-1).messages.map(textOf), [output_text, 'Go on.']);
  const unknown = [
    { type: 'item_reference', id: 'msg_nobody_0' },
    { role: 'user', content: 'Go on.' },
  ];
  await buys(0, () => assert.rejects(create({ input: unknown }), /msg_nobody_0/));
});

check('what was asked is listed page by page', async () => {
  const { id } = await create({ input: ['one', 'two', 'three'].map((content) => ({ role: 'user', content })) });
  const list = (query) => client().responses.inputItems.list(id, query);
  const page = await list({ order: 'asc', limit: 2 });
  assert.deepEqual(page.data.map(textOf), ['one', 'two']);
  assert.ok(page.has_more);
  assert.ok(page.data.every(({ id, type, role }) => id && type === 'message' && role === 'user'));
  assert.deepEqual((await list({ order: 'asc', after: page.data[1].id })).data.map(textOf), ['three']);
  assert.deepEqual((await collect(list({ limit: 1 }))).map(textOf), ['three', 'two', 'one']);
});

check('what was deleted or never kept is not found', async () => {
  const deleted = (await create({})).id;
  const answer = await client().responses.delete(deleted).asResponse();
  assert.deepEqual(await answer.json(), { id: deleted, object: 'response', deleted: true });
  const unkept = await create({ store: false });
  assert.equal(unkept.store, false);
  for (const id of [deleted, unkept.id, 'resp_nobody']) {
    const { responses } = client();
    for (const call of ['retrieve', 'delete', 'cancel']) {
      assert.equal((await failure(OpenAI.NotFoundError, () => responses[call](id))).code, 'response_not_found');
    }
    await failure(OpenAI.NotFoundError, () => responses.inputItems.list(id));
    const lost = await failure(OpenAI.BadRequestError, () => create({ previous_response_id: id }));
    assert.deepEqual([lost.code, lost.param], ['previous_response_not_found', 'previous_response_id']);
  }
});

check('another key sees nothing of it', async () => {
  const { id } = await create({});
  const { responses } = client({ apiKey: 'sk-of-somebody-else' });
  for (const call of ['retrieve', 'delete']) await failure(OpenAI.NotFoundError, () => responses[call](id));
  assert.equal((await retrieve(id)).id, id);
});

check('what runs in the background is waited for by asking', async () => {
  await buys(1, async () => {
    const input = promptOf('words=9 queue=300ms chunk-interval=20ms');
    const { id, status, output, background } = await create({ background: true, input });
    assert.deepEqual([status, output, background], ['queued', [], true]);
    const response = await ended(id);
    assert.equal(response.status, 'completed');
    assert.match(response.output_text, /^word1 .* word9$/);
    assert.ok(response.usage.total_tokens > 0);
  });
});

check('a stream that was left is taken up again without a gap', async () => {
  await buys(1, async () => {
    const input = promptOf('words=24 chunk-interval=20ms');
    const seen = [];
    for await (const event of await create({ background: true, stream: true, input })) {
      if (seen.push(event) === 9) break;
    }
    const { id } = seen[0].response;
    const starting_after = seen.at(-1).sequence_number;
    const rest = await collect(await retrieve(id, { stream: true, starting_after }));
    const all = await collect(await retrieve(id, { stream: true }));
    assert.deepEqual([...seen, ...rest], all);
    assert.deepEqual(
      all.map(({ sequence_number }) => sequence_number),
      [...all.keys()],
    );
    const types = all.slice(0, 3).map(({ type }) => type);
    assert.deepEqual(types, ['response.created', 'response.queued', 'response.in_progress']);
    const { output_text, ...kept } = await retrieve(id);
    assert.deepEqual(all.at(-1).response, kept);
    const helped = await client().responses.stream({ response_id: id, starting_after }).finalResponse();
    assert.equal(helped.output_text, output_text);
    for (const late of [all.length - 2, all.length - 1]) {
      const left = await collect(await retrieve(id, { stream: true, starting_after: late }));
      assert.deepEqual(left, all.slice(late + 1));
    }
  });
});

check('what is cancelled stays so', async () => {
  const { id } = await create({ background: true, input: promptOf('words=9 task=stuck') });
  const { data, response } = await client().responses.cancel(id).withResponse();
  assert.equal(data.status, 'cancelled');
  assert.ok(response.headers.get('x-foxbridge-cancel'));
  for (const call of [retrieve(id), client().responses.cancel(id)]) assert.equal((await call).status, 'cancelled');
  // The helper knows no response.cancelled: it may return the response or throw the words of an error event.
  const end = await client()
    .responses.stream({ response_id: id })
    .finalResponse()
    .catch(({ message }) => message);
  assert.match(end.status ?? end, /^cancelled$|^The response was cancelled/);
});

check('what is finished is not lost by cancelling it', async () => {
  const { id } = await create({ background: true, input: promptOf('text=finished') });
  await new Promise((resolve) => setTimeout(resolve, 500));
  await client().responses.cancel(id);
  const { status, output_text } = await retrieve(id);
  assert.deepEqual([status, output_text], ['completed', 'finished']);
});

check('only what runs in the background is cancelled or streamed again', async () => {
  const { id } = await create({});
  await failure(OpenAI.BadRequestError, () => client().responses.cancel(id));
  await failure(OpenAI.BadRequestError, () => retrieve(id, { stream: true }));
});

check('bad requests name the parameter', async () => {
  const part = (content) => ({ input: [{ role: 'user', content: [content] }] });
  for (const [param, request] of [
    ['model', { model: 5 }],
    ['input', { input: 5 }],
    ['input[0]', { input: [{ role: 'nobody', content: 'hello' }] }],
    ['input[0]', part({ type: 'input_file', file_id: 'file-abc' })],
    ['input[0]', part({ type: 'input_image', file_id: 'file-abc' })],
    ['stream', { stream: 'yes' }],
    ['max_output_tokens', { max_output_tokens: -1 }],
    ['tools[1]', { tools: [{ type: 'function', name: 'f', parameters: {} }, { type: 'web_search' }] }],
    ['tools[0]', { tools: [{ type: 'mcp', server_label: 'x', server_url: 'https://example.com' }] }],
    ['conversation', { conversation: 'conv_1' }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['background', { background: 'yes' }],
  ]) {
    const error = await failure(OpenAI.BadRequestError, () => create(request));
    assert.ok(error.param?.startsWith(param), `${param}: ${error}`);
  }
  const { message } = await failure(OpenAI.BadRequestError, () => create({ tools: [{ type: 'web_search' }] }));
  assert.match(message, /web_search/);
  await failure(OpenAI.BadRequestError, () => create({ background: true, store: false }));
});

check('refusals and troubles keep their class, also for streams', async () => {
  for (const stream of [false, true]) {
    const scripted = (script) => create({ input: promptOf(script), stream });
    const key = await failure(OpenAI.AuthenticationError, () => create({ stream }, { apiKey: 'sk-invalid' }));
    assert.equal(key.code, 'invalid_api_key');
    const model = await failure(OpenAI.NotFoundError, () => create({ model: 'gpt-2', stream }));
    assert.equal(model.code, 'model_not_found');
    await failure(OpenAI.RateLimitError, () => scripted('submit=429x*'));
    assert.equal((await failure(OpenAI.RateLimitError, () => scripted('submit=402x*'))).code, 'insufficient_quota');
    await failure(OpenAI.InternalServerError, () => scripted('submit=503x*'));
    await failure(OpenAI.InternalServerError, () => scripted('submit=html:502x*'));
    const content = [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }];
    await failure(OpenAI.UnprocessableEntityError, () => create({ input: [{ role: 'user', content }], stream }));
  }
});

check('a failure in mid-stream is told as the response that failed, and buys nothing more', async () => {
  const input = promptOf('words=12 task=failed fail-after=5 error-message="the wheel came off"');
  const told = ({ status, error }) => {
    assert.equal(status, 'failed');
    assert.equal(error.code, 'server_error');
    assert.match(error.message, /the wheel came off/);
  };
  await buys(1, async () => {
    const events = await collect(await create({ input, stream: true }, { maxRetries: 2 }));
    assert.ok(events.some(({ type }) => type === 'response.output_text.delta'));
    assert.equal(events.at(-1).type, 'response.failed');
    told(events.at(-1).response);
  });
  await buys(1, async () => {
    const events = await collect(await create({ input, stream: true, background: true }));
    const { response, sequence_number: starting_after } = events.at(-1);
    told(response);
    assert.deepEqual(await collect(await retrieve(response.id, { stream: true })), events);
    assert.deepEqual(await collect(await retrieve(response.id, { stream: true, starting_after })), []);
  });
  await buys(1, async () => told(await client().responses.stream({ model: GPT, input }).finalResponse()));
  await buys(1, async () => told(await ended((await create({ input, background: true })).id)));
});

check('what was bought once is not bought again by the retries', async () => {
  for (const script of ['task=failed', 'results=nullx*', 'submit=accept+resetx*', 'submit=accept+html:502x*']) {
    await failure(OpenAI.InternalServerError, () => create({ input: promptOf(script) }, { maxRetries: 2 }), 1);
  }
});

check('what was refused or timed out is sent again, and bought once', async () => {
  const once = (script, options) =>
    buys(1, async () => (await create({ input: promptOf(script) }, { maxRetries: 4, ...options })).output_text);
  assert.ok(await once('submit=429x1 retry-after=1'));
  assert.equal(await once('text=patience submit-latency=1500ms', { timeout: 600 }), 'patience');
});

await run();
