// Tools and structured answers, through the SDK's own helpers.

import assert from 'node:assert/strict';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { GPT, buys, check, collect, run, user } from './harness.mjs';
import { client } from './support.mjs';

const Weather = z.object({ town: z.string(), days: z.number().int() });
const Event = z.object({ name: z.string(), participants: z.array(z.string()) });
const tools = [zodFunction({ name: 'get_weather', parameters: Weather })];
const asked = user('What is the weather in Paris? Use the tool get_weather.');

check('a tool is called with arguments of its schema', async () => {
  const completion = await client().chat.completions.parse({ model: GPT, messages: asked, tools });
  const [call] = completion.choices[0].message.tool_calls;
  assert.equal(completion.choices[0].finish_reason, 'tool_calls');
  assert.equal(call.function.name, 'get_weather');
  Weather.parse(call.function.parsed_arguments);
});

check('a streamed tool call is whole', async () => {
  const chunks = await collect(
    await client().chat.completions.create({ model: GPT, messages: asked, tools, stream: true }),
  );
  const deltas = chunks.flatMap(({ choices }) => choices).flatMap(({ delta }) => delta.tool_calls ?? []);
  assert.ok(deltas[0].id);
  assert.equal(deltas[0].function.name, 'get_weather');
  Weather.parse(JSON.parse(deltas.map((delta) => delta.function.arguments ?? '').join('')));
});

/** Goes round until there is an answer; `given` is what the tool was called with. */
function goRound(stream) {
  let given;
  const runner = client().chat.completions.runTools({
    model: GPT,
    stream,
    messages: asked,
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          parameters: tools[0].function.parameters,
          parse: (text) => Weather.parse(JSON.parse(text)),
          function: (weather) => {
            given = weather;
            return 'clear-as-glass';
          },
        },
      },
    ],
  });
  return { runner, given: () => given };
}

check('the tool runner goes round until there is an answer, streamed and not', async () => {
  for (const stream of [false, true]) {
    await buys(2, async () => {
      const { runner, given } = goRound(stream);
      assert.ok((await runner.finalContent()).includes('clear-as-glass'));
      assert.ok(given().town);
    });
  }
});

check('the stream helper parses the arguments', async () => {
  const helper = client().chat.completions.stream({ model: GPT, messages: asked, tools });
  const done = [];
  helper.on('tool_calls.function.arguments.done', (call) => done.push(call));
  const completion = await buys(1, () => helper.finalChatCompletion());
  const [call] = completion.choices[0].message.tool_calls;
  assert.ok(call.id);
  Weather.parse(call.function.parsed_arguments);
  assert.deepEqual(done.map(({ name }) => name), ['get_weather']);
});

check('a schema is answered with an instance of it', async () => {
  const response_format = zodResponseFormat(Event, 'event');
  const request = { model: GPT, messages: user('Plan an event.'), response_format };
  const completion = await client().chat.completions.parse(request);
  Event.parse(completion.choices[0].message.parsed);
  const helper = client().chat.completions.stream(request);
  Event.parse((await helper.finalChatCompletion()).choices[0].message.parsed);
});

await run();
