// What the Vercel AI SDK gets from the address it is told, as JSON.
import { argv } from "node:process";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, jsonSchema, Output, streamText, tool } from "ai";

const provider = createOpenAICompatible({
  name: "local",
  baseURL: argv[2],
  apiKey: "none",
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = provider("any");
const hour = jsonSchema({
  type: "object",
  properties: { hour: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["hour"],
  additionalProperties: false,
});
const short = { model, prompt: "Hi", maxOutputTokens: 5, maxRetries: 0 };
const long = { ...short, maxOutputTokens: 400 };
const withClock = {
  ...long,
  tools: { clock: tool({ inputSchema: hour }) },
  toolChoice: { type: "tool", toolName: "clock" },
};

/** What is answered, or how it is refused. */
async function told(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!APICallError.isInstance(error)) throw error;
    return { status: error.statusCode, message: error.message };
  }
}

async function embeddings() {
  const values = ["one", "two", "one"];
  const answer = await embedMany({ model: provider.embeddingModel("any"), values, maxRetries: 0 });
  return answer.embeddings;
}

async function chat() {
  const answer = await generateText(short);
  return { text: answer.text, finish: answer.finishReason, tokens: answer.usage.outputTokens };
}

async function stream() {
  const answer = streamText(short);
  let text = "";
  for await (const piece of answer.textStream) text += piece;
  return { text, finish: await answer.finishReason, tokens: (await answer.usage).outputTokens };
}

async function tools() {
  const answer = await generateText(withClock);
  return answer.toolCalls.map((call) => ({ name: call.toolName, arguments: JSON.stringify(call.input) }));
}

async function toolsStreamed() {
  let refusal;
  const answer = streamText({ ...withClock, onError: ({ error }) => (refusal = error) });
  await answer.consumeStream();
  if (refusal) throw refusal;
  const calls = await answer.toolCalls;
  return calls.map((call) => ({ name: call.toolName, arguments: JSON.stringify(call.input) }));
}

async function parse() {
  const answer = await generateText({ ...long, output: Output.object({ schema: hour }) });
  return JSON.stringify(answer.output);
}

const said = {
  embeddings: await embeddings(),
  chat: await chat(),
  stream: await stream(),
  tools: await told(tools),
  toolsStreamed: await told(toolsStreamed),
  parse: await told(parse),
};
console.log(JSON.stringify(said));
