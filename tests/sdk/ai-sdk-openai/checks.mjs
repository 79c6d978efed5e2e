// The Vercel AI SDK with OpenAI's own provider, whose models speak the Responses API.

import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, Output, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';
import { CLAUDE, GEMINI, GPT, KIMI, buys, check, collect, journal, marked, run } from './harness.mjs';

// OPENAI_BASE_URL and OPENAI_API_KEY are read by the provider itself.
const openai = createOpenAI();
globalThis.AI_SDK_LOG_WARNINGS = false;

const Event = z.object({ name: z.string(), participants: z.array(z.string()) });
const asked = 'What is the weather in Paris? Use the tool get_weather.';

const promptOf = (script) => marked(script)[0].content;
const rolesSent = async () => (await journal()).submissions.at(-1).messages.map(({ role }) => role);

/** Options of the provider; those of a model that it does not know to think say so. */
const options = (openai) => ({ providerOptions: { openai } });
const thinking = { reasoningSummary: 'auto', forceReasoning: true };

/** Options of a loop that ends when the tool's result was read; `given` collects what the tool was called with. */
const loop = (given, more = {}) => ({
  model: openai(GPT),
  prompt: asked,
  stopWhen: stepCountIs(4),
  tools: {
    get_weather: tool({
      description: 'What the weather is like in a town.',
      inputSchema: z.object({ town: z.string() }),
      execute: (input) => {
        given.push(input);
        return { sky: 'clear-as-glass' };
      },
    }),
  },
  ...more,
});

check('every model family answers', async () => {
  for (const model of [GPT, CLAUDE, GEMINI, KIMI, 'gpt-4o']) {
    const { text, finishReason, usage, response, warnings } = await buys(1, () =>
      generateText({ model: openai(model), system: 'Be terse.', prompt: 'count 1 to 3' }),
    );
    assert.match(text, /A system prompt is present\. .*count 1 to 3/);
    assert.equal(finishReason, 'stop');
    assert.ok(usage.totalTokens > 0);
    assert.equal(response.modelId, model);
    assert.deepEqual(warnings, []);
  }
});

check('a stream adds up to the answer with its usage', async () => {
  for (const upstream of ['on', 'off']) {
    const request = { model: openai(GPT), prompt: promptOf(`words=9 usage-chunk=${upstream}`) };
    const whole = await generateText(request);
    await buys(1, async () => {
      const result = streamText(request);
      const parts = await collect(result.textStream);
      assert.ok(parts.length > 8);
      assert.equal(parts.join(''), whole.text);
      assert.equal((await result.usage).totalTokens, whole.usage.totalTokens);
      assert.equal(await result.finishReason, 'stop');
    });
  }
});

check('a limit that is reached is the reason to finish', async () => {
  const request = { model: openai(GPT), prompt: promptOf('words=40'), maxOutputTokens: 16 };
  assert.equal((await generateText(request)).finishReason, 'length');
  const result = streamText(request);
  await result.consumeStream();
  assert.equal(await result.finishReason, 'length');
});

check('thoughts are shown as the summary that was asked for', async () => {
  for (const request of [
    { model: openai(KIMI), prompt: 'think', ...options(thinking) },
    { model: openai(GPT), prompt: 'think', ...options({ reasoningSummary: 'detailed', reasoningEffort: 'high' }) },
  ]) {
    const whole = await buys(1, () => generateText(request));
    assert.ok(whole.reasoningText);
    assert.ok(whole.usage.outputTokenDetails.reasoningTokens > 0);
    await buys(1, async () => {
      const result = streamText(request);
      const parts = await collect(result.fullStream);
      assert.ok(parts.some(({ type }) => type === 'reasoning-delta'));
      assert.equal(await result.reasoningText, whole.reasoningText);
      assert.equal(await result.text, whole.text);
    });
  }
});

check('a loop of steps calls the tool and ends with an answer', async () => {
  const given = [];
  const ways = [{}, { model: openai(KIMI), ...options(thinking) }, options({ store: false })];
  for (const way of ways) {
    const whole = await buys(2, () => generateText(loop(given, way)));
    assert.ok(whole.text.includes('clear-as-glass'));
    assert.equal(whole.steps.length, 2);
    assert.deepEqual(await rolesSent(), ['user', 'assistant', 'tool']);
    await buys(2, async () => {
      const result = streamText(loop(given, way));
      await result.consumeStream();
      assert.ok((await result.text).includes('clear-as-glass'));
      assert.deepEqual(
        (await result.steps).map(({ finishReason }) => finishReason),
        ['tool-calls', 'stop'],
      );
    });
    assert.deepEqual(await rolesSent(), ['user', 'assistant', 'tool']);
  }
  assert.equal(given.length, 2 * ways.length);
  assert.ok(given.every(({ town }) => town));
});

check('a conversation goes on by references, in full, or from the last response', async () => {
  const first = { role: 'user', content: 'My name is Vera.' };
  const next = { role: 'user', content: 'Who am I?' };
  for (const kept of [{ store: true, ...thinking }, { store: false }]) {
    const { text, response } = await generateText({ model: openai(KIMI), messages: [first], ...options(kept) });
    const messages = [first, ...response.messages, next];
    const { finishReason } = await buys(1, () => generateText({ model: openai(KIMI), messages, ...options(kept) }));
    assert.equal(finishReason, 'stop');
    const sent = JSON.stringify((await journal()).submissions.at(-1).messages);
    assert.deepEqual(await rolesSent(), ['user', 'assistant', 'user']);
    assert.ok(sent.includes(text) && sent.includes('Vera'), sent);
  }
  const { providerMetadata } = await generateText({ model: openai(GPT), messages: [first] });
  const previousResponseId = providerMetadata.openai.responseId;
  await generateText({ model: openai(GPT), messages: [next], ...options({ previousResponseId }) });
  assert.deepEqual(await rolesSent(), ['user', 'assistant', 'user']);
});

check('an object fits its schema, streamed and not', async () => {
  const request = { model: openai(GPT), schema: Event, prompt: 'Plan an event.' };
  Event.parse((await buys(1, () => generateObject(request))).object);
  await buys(1, async () => {
    const { partialObjectStream, object } = streamObject(request);
    assert.ok((await collect(partialObjectStream)).length);
    Event.parse(await object);
  });
  const { output } = await buys(1, () =>
    generateText({ model: openai(GPT), prompt: 'Plan an event.', output: Output.object({ schema: Event }) }),
  );
  Event.parse(output);
});

check('images and files are taken', async () => {
  const data = Buffer.from('some bytes of media');
  const { text } = await buys(1, () =>
    generateText({
      model: openai(GEMINI),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'describe this' },
            { type: 'image', image: data, mediaType: 'image/png' },
            { type: 'image', image: new URL('https://example.com/x.png') },
            { type: 'file', data, mediaType: 'application/pdf', filename: 'report.pdf' },
            { type: 'file', data: new URL('https://example.com/doc.pdf'), mediaType: 'application/pdf' },
          ],
        },
      ],
    }),
  );
  assert.match(text, /2 images, 2 files/);
});

check('an error has the status and the words of the API', async () => {
  const search = { web_search: openai.tools.webSearch({}) };
  for (const [statusCode, words, request] of [
    [404, /gpt-2/, { model: openai('gpt-2') }],
    [400, /web_search/, { tools: search }],
    [400, /resp_nobody/, options({ previousResponseId: 'resp_nobody' })],
  ]) {
    await buys(0, () =>
      assert.rejects(generateText({ model: openai(GPT), prompt: 'hello', ...request }), (error) => {
        assert.ok(APICallError.isInstance(error), String(error));
        assert.equal(error.statusCode, statusCode);
        assert.match(error.message, words);
        return true;
      }),
    );
  }
});

check('what was refused is sent again and bought once', async () => {
  const before = (await journal()).submits;
  const { text } = await buys(1, () =>
    generateText({ model: openai(GPT), prompt: promptOf('submit=429x1 retry-after=1') }),
  );
  assert.ok(text);
  assert.equal((await journal()).submits, before + 2);
});

check('without its retries, what was bought once is not bought again', async () => {
  for (const script of ['task=failed', 'submit=accept+resetx*', 'submit=accept+html:502x*']) {
    await buys(1, () =>
      assert.rejects(generateText({ model: openai(GPT), prompt: promptOf(script), maxRetries: 0 }), (error) => {
        assert.ok(APICallError.isInstance(error));
        assert.equal(error.responseHeaders['x-should-retry'], 'false');
        return true;
      }),
    );
  }
});

check('a failure of a stream is told and buys nothing more', async () => {
  for (const chunks of [0, 5]) {
    await buys(1, async () => {
      const failures = [];
      const script = `words=12 task=failed fail-after=${chunks} error-message="the wheel came off"`;
      const { fullStream } = streamText({
        model: openai(GPT),
        prompt: promptOf(script),
        maxRetries: chunks ? 2 : 0,
        onError: ({ error }) => failures.push(error),
      });
      const parts = await collect(fullStream);
      assert.equal(
        parts.some(({ type }) => type === 'text-delta'),
        chunks > 0,
      );
      assert.equal(failures.length, 1);
      assert.match(failures[0].message, /the wheel came off/);
    });
  }
});

await run();
