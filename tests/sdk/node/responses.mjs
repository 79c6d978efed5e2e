// The Responses API: answers and their events, by promise, by for await and by the SDK's helpers.

import assert from 'node:assert/strict';
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CLAUDE, GEMINI, GPT, KIMI, buys, check, collect, journal, marked, run } from './harness.mjs';
import { client } from './support.mjs';

const Weather = z.object({ town: z.string(), days: z.number().int() });
const Event = z.object({ name: z.string(), participants: z.array(z.string()) });
const weather = zodResponsesFunction({ name: 'get_weather', parameters: Weather });
const clock = { type: 'function', name: 'get_time', strict: false, parameters: { type: 'object', properties: {} } };
const asked = 'What is the weather in Paris? Use the tool get_weather.';
const promptOf = (script) => marked(script)[0].content;

const create = (request) => client().responses.create({ model: GPT, input: 'count 1 to 3', ...request });
const streamed = async (request) => collect(await create({ ...request, stream: true }));
const helped = (request) => client().responses.stream({ model: GPT, input: 'count 1 to 3', ...request });
const submitted = async () => (await journal()).submissions.at(-1);

const deltas = (events, kind) =>
  events
    .filter(({ type }) => type === `response.${kind}.delta`)
    .map(({ delta }) => delta)
    .join('');

/** The types of the events; equal ones in a row are told once. */
const course = (events) =>
  events
    .map(({ type }) => type.replace('response.', ''))
    .filter((type, at, all) => type !== all[at - 1])
    .join(' ');

const MESSAGE =
  'output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done';
const CALL = 'output_item.added function_call_arguments.delta function_call_arguments.done output_item.done';

check('an answer has what the types promise, and is kept as it was given', async () => {
  const request = { metadata: { a: 'b' }, instructions: 'Be terse.' };
  const { data, response } = await buys(1, () => create(request).withResponse());
  const task = response.headers.get('x-foxbridge-task-id');
  assert.equal(data.id, `resp_${task}`);
  assert.ok(Number.isInteger(data.created_at) && Math.abs(data.created_at - Date.now() / 1000) < 60);
  assert.match(data.output_text, /A system prompt is present\. .*count 1 to 3/);
  const content = [{ type: 'output_text', text: data.output_text, annotations: [], logprobs: [] }];
  assert.deepEqual(data.output, [
    { id: `msg_${task}_0`, type: 'message', role: 'assistant', status: 'completed', content },
  ]);
  const { input_tokens, output_tokens, total_tokens, ...details } = data.usage;
  assert.ok(input_tokens > 0 && output_tokens > 0);
  assert.equal(total_tokens, input_tokens + output_tokens);
  assert.deepEqual(details, {
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  });
  const rest = { object: 'response', status: 'completed', model: GPT, error: null, incomplete_details: null };
  Object.assign(rest, request, { parallel_tool_calls: true, tool_choice: 'auto', tools: [], store: true });
  Object.assign(rest, { background: false, previous_response_id: null });
  for (const [name, value] of Object.entries(rest)) assert.deepEqual(data[name], value, name);
  assert.ok('temperature' in data && 'top_p' in data);
  assert.deepEqual(await buys(0, () => client().responses.retrieve(data.id)), data);
});

check('every model family answers and is named as it was asked for', async () => {
  for (const model of [GPT, CLAUDE, GEMINI, KIMI, 'gpt-4o']) {
    const whole = await buys(1, () => create({ model }));
    assert.match(whole.output_text, /count 1 to 3/);
    assert.equal(whole.model, model);
    const { response } = (await streamed({ model })).at(-1);
    assert.equal(response.model, model);
    assert.equal(response.output.at(-1).content[0].text, whole.output_text);
  }
});

check('every parameter travels on', async () => {
  const said = { temperature: 0.5, top_p: 0.25, parallel_tool_calls: false };
  const response = await create({
    ...said,
    max_output_tokens: 77,
    reasoning: { effort: 'low' },
    text: { verbosity: 'low' },
    tools: [weather],
  });
  const sent = await submitted();
  const meant = { ...said, max_tokens: 77, reasoning_effort: 'low', verbosity: 'low' };
  for (const [name, value] of Object.entries(meant)) assert.equal(sent[name], value, name);
  for (const name of ['input', 'text', 'reasoning', 'max_output_tokens']) assert.ok(!(name in sent), name);
  for (const [name, value] of Object.entries({ ...said, max_output_tokens: 77 })) assert.equal(response[name], value);
  assert.equal(response.reasoning.effort, 'low');
  assert.equal(response.tools[0].name, 'get_weather');
});

check('items of every kind reach the model', async () => {
  const elsewhere = { id: 'item_from_elsewhere', status: 'completed' };
  const { output_text } = await create({
    input: [
      { role: 'developer', content: 'Be terse.' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] },
      { type: 'reasoning', id: 'rs_elsewhere', summary: [], content: null, encrypted_content: null },
      {
        ...elsewhere,
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'hi', annotations: [] }],
      },
      { role: 'user', content: 'look' },
      { ...elsewhere, type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: 'a green door' }] },
    ],
  });
  assert.match(output_text, /The tool look answered: “a green door”/);
  const roles = (await submitted()).messages.map(({ role }) => role);
  assert.deepEqual(roles, ['developer', 'user', 'assistant', 'user', 'assistant', 'tool']);
});

check('images, files and audio are taken', async () => {
  const data = Buffer.from('some bytes of media').toString('base64');
  const content = [
    { type: 'input_text', text: 'describe this' },
    { type: 'input_image', image_url: 'https://example.com/x.png', detail: 'high' },
    { type: 'input_image', image_url: `data:image/png;base64,${data}`, detail: 'auto' },
    { type: 'input_file', file_url: 'https://example.com/doc.pdf' },
    { type: 'input_file', filename: 'report.pdf', file_data: `data:application/pdf;base64,${data}` },
    { type: 'input_audio', input_audio: { data, format: 'wav' } },
  ];
  const { output_text } = await buys(1, () => create({ model: GEMINI, input: [{ role: 'user', content }] }));
  assert.match(output_text, /2 images, 1 audio clip, 2 files/);
});

check('a stream tells the answer in order, and ends with it', async () => {
  const input = promptOf('words=9');
  const events = await buys(1, () => streamed({ input }));
  assert.equal(course(events), `created in_progress ${MESSAGE} completed`);
  assert.deepEqual(
    events.map(({ sequence_number }) => sequence_number),
    [...events.keys()],
  );
  const whole = await create({ input });
  const { response } = events.at(-1);
  assert.equal(deltas(events, 'output_text'), whole.output_text);
  assert.equal(response.output[0].content[0].text, whole.output_text);
  assert.deepEqual(response.usage, whole.usage);
  const { output_text, ...kept } = await client().responses.retrieve(response.id);
  assert.deepEqual(kept, response);
  for (const { response: early } of events.slice(0, 2)) {
    assert.deepEqual([early.id, early.status, early.output], [response.id, 'in_progress', []]);
  }
});

check('each event is named twice and nothing else is sent', async () => {
  const raw = await create({ stream: true }).asResponse();
  assert.match(raw.headers.get('content-type'), /^text\/event-stream/);
  for (const block of (await raw.text()).trimEnd().split('\n\n')) {
    assert.match(block, /^event: (\S+)\ndata: \{"type":"\1",[^\n]*$/);
  }
});

check('the stream helper puts the answer together', async () => {
  const helper = helped({});
  let snapshot;
  helper.on('response.output_text.delta', (event) => (snapshot = event.snapshot));
  const { output_text, status } = await buys(1, () => helper.finalResponse());
  assert.match(output_text, /count 1 to 3/);
  assert.equal(snapshot, output_text);
  assert.equal(status, 'completed');
});

check('a schema is answered with an instance of it', async () => {
  const request = { model: GPT, input: 'Plan an event.', text: { format: zodTextFormat(Event, 'event') } };
  const whole = await client().responses.parse(request);
  Event.parse(whole.output_parsed);
  assert.equal(whole.text.format.name, 'event');
  assert.equal((await submitted()).response_format.json_schema.name, 'event');
  Event.parse((await helped(request).finalResponse()).output_parsed);
});

check('a limit that is reached makes the answer incomplete', async () => {
  const request = { input: promptOf('words=40'), max_output_tokens: 16 };
  const events = await streamed(request);
  assert.equal(events.at(-1).type, 'response.incomplete');
  for (const { status, incomplete_details, usage } of [await create(request), events.at(-1).response]) {
    assert.equal(status, 'incomplete');
    assert.deepEqual(incomplete_details, { reason: 'max_output_tokens' });
    assert.equal(usage.output_tokens, 16);
  }
});

check('a tool is called and its output answered, kept and not', async () => {
  for (const store of [true, false]) {
    const first = await client().responses.parse({ model: GPT, input: asked, tools: [weather], store });
    const [{ parsed_arguments, ...call }, ...others] = first.output;
    Weather.parse(parsed_arguments);
    assert.deepEqual(others, []);
    assert.match(call.id, /^fc_.*_0$/);
    assert.deepEqual([call.type, call.status, call.name], ['function_call', 'completed', 'get_weather']);
    const output = { type: 'function_call_output', call_id: call.call_id, output: 'clear-as-glass' };
    const next = store
      ? { input: [output], previous_response_id: first.id }
      : { input: [{ role: 'user', content: asked }, call, output], store };
    const { output_text } = await buys(1, () => create({ ...next, tools: [weather] }));
    assert.match(output_text, /The tool get_weather answered: “clear-as-glass”/);
    const roles = (await submitted()).messages.map(({ role }) => role);
    assert.deepEqual(roles, ['user', 'assistant', 'tool']);
  }
});

check('streamed calls are whole, one after the other', async () => {
  const request = { input: 'Use get_weather and get_time for Paris.', tools: [weather, clock] };
  const events = await streamed(request);
  assert.equal(course(events), `created in_progress ${CALL} ${CALL} completed`);
  const { output } = events.at(-1).response;
  assert.deepEqual(
    output.map(({ name }) => name),
    ['get_weather', 'get_time'],
  );
  for (const [at, { id, arguments: given }] of output.entries()) {
    const own = events.filter(({ output_index }) => output_index === at);
    assert.equal(deltas(own, 'function_call_arguments'), given);
    assert.ok(own.every(({ item_id, item }) => (item_id ?? item.id) === id));
  }
  Weather.parse((await helped(request).finalResponse()).output[0].parsed_arguments);
  assert.equal((await create({ ...request, parallel_tool_calls: false })).output.length, 1);
});

check('a choice of tools is kept to', async () => {
  const tools = [weather, clock];
  const tool_choice = { type: 'function', name: 'get_time' };
  const forced = await create({ tools, tool_choice });
  assert.deepEqual([forced.output[0].name, forced.tool_choice], ['get_time', tool_choice]);
  assert.equal((await create({ tools, tool_choice: 'required' })).output[0].type, 'function_call');
  assert.equal((await create({ tools, input: asked, tool_choice: 'none' })).output[0].type, 'message');
});

check('who thinks shows it in the form that was asked for', async () => {
  for (const [form, other, part, summary] of [
    ['reasoning_text', 'summary', 'content_part'],
    ['reasoning_summary_text', 'content', 'reasoning_summary_part', 'auto'],
  ]) {
    for (const request of [{ model: KIMI, reasoning: { summary } }, { reasoning: { effort: 'high', summary } }]) {
      const events = await streamed(request);
      const thoughts = `output_item.added ${part}.added ${form}.delta ${form}.done ${part}.done output_item.done`;
      assert.equal(course(events), `created in_progress ${thoughts} ${MESSAGE} completed`);
      for (const { output, usage } of [
        await create(request),
        events.at(-1).response,
        await helped(request).finalResponse(),
      ]) {
        assert.deepEqual(
          output.map(({ type }) => type),
          ['reasoning', 'message'],
        );
        assert.match(output[0].id, /^rs_.*_0$/);
        const [{ text }] = output[0][summary ? 'summary' : 'content'];
        assert.ok(text);
        assert.equal(text, deltas(events, form));
        assert.ok(!output[0][other]?.length);
        assert.ok(usage.output_tokens_details.reasoning_tokens > 0);
      }
    }
  }
  assert.equal((await create({})).output.length, 1);
});

await run();
