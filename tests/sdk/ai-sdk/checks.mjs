// The Vercel AI SDK with its provider for servers that speak OpenAI's language.

import assert from 'node:assert/strict';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';
import { CLAUDE, GEMINI, GPT, KIMI, buys, check, collect, journal, marked, run } from './harness.mjs';

const fox = createOpenAICompatible({
  name: 'fox',
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const Event = z.object({ name: z.string(), participants: z.array(z.string()) });
const asked = 'What is the weather in Paris? Use the tool get_weather.';

const promptOf = (script) => marked(script)[0].content;

/** Options of a loop that ends when the tool's result was read; `given` collects what the tool was called with. */
const loop = (given) => ({
  model: fox(GPT),
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
});

check('every model family answers', async () => {
  for (const model of [GPT, CLAUDE, GEMINI, KIMI, 'gpt-4o']) {
    const { text, finishReason, usage, response } = await buys(1, () =>
      generateText({ model: fox(model), prompt: 'count 1 to 3' }),
    );
    assert.ok(text.includes('count 1 to 3'));
    assert.equal(finishReason, 'stop');
    assert.ok(usage.totalTokens > 0);
    assert.equal(response.modelId, model);
  }
});

check('a stream adds up to the answer with its usage', async () => {
  for (const upstream of ['on', 'off']) {
    const request = { model: fox(GPT), prompt: promptOf(`words=9 usage-chunk=${upstream}`) };
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

check('thoughts are shown', async () => {
  const request = { model: fox(KIMI), prompt: 'think' };
  const whole = await buys(1, () => generateText(request));
  assert.ok(whole.reasoningText);
  await buys(1, async () => {
    const result = streamText(request);
    await result.consumeStream();
    assert.equal(await result.reasoningText, whole.reasoningText);
  });
});

check('a loop of steps calls the tool and ends with an answer', async () => {
  const given = [];
  const whole = await buys(2, () => generateText(loop(given)));
  assert.ok(whole.text.includes('clear-as-glass'));
  assert.equal(whole.steps.length, 2);
  await buys(2, async () => {
    const result = streamText(loop(given));
    await result.consumeStream();
    assert.ok((await result.text).includes('clear-as-glass'));
  });
  assert.equal(given.length, 2);
  assert.ok(given.every(({ town }) => town));
});

check('an object fits its schema, streamed and not', async () => {
  const request = { model: fox(GPT), schema: Event, prompt: 'Plan an event.' };
  Event.parse((await buys(1, () => generateObject(request))).object);
  await buys(1, async () => {
    const { partialObjectStream, object } = streamObject(request);
    assert.ok((await collect(partialObjectStream)).length);
    Event.parse(await object);
  });
  const { output } = await buys(1, () =>
    generateText({ model: fox(GPT), prompt: 'Plan an event.', output: Output.object({ schema: Event }) }),
  );
  Event.parse(output);
});

check('images, audio and files are taken', async () => {
  const data = Buffer.from('some bytes of media');
  const { text } = await buys(1, () =>
    generateText({
      model: fox(GEMINI),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'describe this' },
            { type: 'image', image: data, mediaType: 'image/png' },
            { type: 'file', data, mediaType: 'audio/wav' },
            { type: 'file', data, mediaType: 'application/pdf', filename: 'report.pdf' },
          ],
        },
      ],
    }),
  );
  assert.match(text, /1 image, 1 audio clip, 1 file/);
});

check('an error has the status and the words of the API', async () => {
  await buys(0, () =>
    assert.rejects(generateText({ model: fox('gpt-2'), prompt: 'hello', maxRetries: 0 }), (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, 404);
      assert.match(error.message, /gpt-2/);
      return true;
    }),
  );
});

check('what was refused is sent again and bought once', async () => {
  const before = (await journal()).submits;
  const { text } = await buys(1, () =>
    generateText({ model: fox(GPT), prompt: promptOf('submit=429x1 retry-after=1') }),
  );
  assert.ok(text);
  assert.equal((await journal()).submits, before + 2);
});

check('without its retries, what was bought once is not bought again', async () => {
  for (const script of ['task=failed', 'submit=accept+resetx*', 'submit=accept+html:502x*']) {
    await buys(1, () =>
      assert.rejects(generateText({ model: fox(GPT), prompt: promptOf(script), maxRetries: 0 }), (error) => {
        assert.ok(APICallError.isInstance(error));
        assert.equal(error.responseHeaders['x-should-retry'], 'false');
        return true;
      }),
    );
  }
});

check('a failure in mid-stream is told and buys nothing more', async () => {
  await buys(1, async () => {
    const failures = [];
    const { fullStream } = streamText({
      model: fox(GPT),
      prompt: promptOf('words=12 task=failed fail-after=5 error-message="the wheel came off"'),
      onError: ({ error }) => failures.push(error),
    });
    const parts = await collect(fullStream);
    assert.ok(parts.some(({ type }) => type === 'text-delta'));
    assert.ok(parts.some(({ type }) => type === 'error'));
    assert.match(JSON.stringify(failures.map((failure) => failure.message ?? failure)), /the wheel came off/);
  });
});

await run();
