// What the package `openai` gets from the address it is told, as JSON.
import { argv } from "node:process";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: argv[2], apiKey: "none", maxRetries: 0 });
const chats = client.chat.completions;
const asked = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }] };
const hour = {
  type: "object",
  properties: { hour: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["hour"],
  additionalProperties: false,
};
const withClock = {
  ...asked,
  max_tokens: 400,
  tools: [{ type: "function", function: { name: "clock", parameters: hour } }],
  tool_choice: { type: "function", function: { name: "clock" } },
};

/** What is answered, or how it is refused. */
async function told(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { status: error.status, param: error.param, code: error.code, message: error.message };
  }
}

async function embeddings() {
  const answer = await client.embeddings.create({ model: "any", input: ["one", "two", "one"] });
  return answer.data.map((each) => each.embedding);
}

async function chat() {
  const answer = await chats.create({ ...asked, max_tokens: 5 });
  const [choice] = answer.choices;
  return { text: choice.message.content, finish: choice.finish_reason, tokens: answer.usage.completion_tokens };
}

async function stream() {
  const more = { max_tokens: 5, stream: true, stream_options: { include_usage: true } };
  const said = { text: "" };
  for await (const chunk of await chats.create({ ...asked, ...more })) {
    said.text += chunk.choices[0]?.delta.content ?? "";
    said.finish = chunk.choices[0]?.finish_reason ?? said.finish;
    said.tokens = chunk.usage?.completion_tokens ?? said.tokens;
  }
  return said;
}

async function tools() {
  const answer = await chats.create(withClock);
  return answer.choices[0].message.tool_calls.map((call) => call.function);
}

async function toolsStreamed() {
  const answer = await chats.stream(withClock).finalChatCompletion();
  return answer.choices[0].message.tool_calls.map((call) => ({
    name: call.function.name,
    arguments: call.function.arguments,
  }));
}

async function parse() {
  const format = { type: "json_schema", json_schema: { name: "hour", strict: true, schema: hour } };
  const answer = await chats.create({ ...asked, max_tokens: 400, response_format: format });
  return answer.choices[0].message.content;
}

async function responses() {
  const answer = await client.responses.create({ model: "gpt-any", input: "Hi", max_output_tokens: 5 });
  return { text: answer.output_text, status: answer.status, tokens: answer.usage.output_tokens };
}

async function responsesStreamed() {
  const events = client.responses.stream({ model: "gpt-any", input: "Hi", max_output_tokens: 5 });
  const kinds = [];
  let text = "";
  for await (const event of events) {
    kinds.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  const answer = await events.finalResponse();
  return { text, kinds, whole: answer.output_text };
}

async function models() {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  return { ids, first: (await client.models.retrieve(ids[0])).id };
}

const said = {
  embeddings: await embeddings(),
  chat: await chat(),
  stream: await stream(),
  tools: await told(tools),
  toolsStreamed: await told(toolsStreamed),
  parse: await told(parse),
  responses: await responses(),
  responsesStreamed: await responsesStreamed(),
  models: await models(),
  unknownModel: await told(() => client.models.retrieve("no-such-model")),
  files: await told(async () => client.files.create({ file: await toFile("x", "a.txt"), purpose: "batch" })),
};
console.log(JSON.stringify(said));
