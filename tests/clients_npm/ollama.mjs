// What the package `ollama` gets from the address it is told, as JSON.
import { argv } from "node:process";
import { Ollama } from "ollama";

const client = new Ollama({ host: argv[2].replace(/\/v1$/, "") });
const [{ model }] = (await client.list()).models;
const messages = [{ role: "user", content: "Hi" }];
const short = { model, options: { num_predict: 5 } };
const weather = { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } };

/** What is answered, or how it is refused. */
async function told(ask) {
  try {
    return await ask();
  } catch (error) {
    if (error.name !== "ResponseError") throw error;
    return { status: error.status_code, message: error.message };
  }
}

function end(answer, text) {
  return { text, finish: answer.done_reason, tokens: answer.eval_count };
}

async function embeddings() {
  return (await client.embed({ model, input: ["one", "two", "one"] })).embeddings;
}

async function chat() {
  const answer = await client.chat({ ...short, messages });
  return end(answer, answer.message.content);
}

async function stream() {
  let text = "";
  let last;
  for await (last of await client.chat({ ...short, messages, stream: true })) text += last.message.content;
  return end(last, text);
}

async function generate() {
  const answer = await client.generate({ ...short, prompt: "Hi" });
  return end(answer, answer.response);
}

async function generateStreamed() {
  let text = "";
  let last;
  for await (last of await client.generate({ ...short, prompt: "Hi", stream: true })) text += last.response;
  return end(last, text);
}

async function tools() {
  const answer = await client.chat({ model, messages, tools: [weather], options: { num_predict: 400 } });
  return (answer.message.tool_calls ?? []).map((call) => ({
    name: call.function.name,
    arguments: JSON.stringify(call.function.arguments),
  }));
}

const said = {
  model,
  embeddings: await embeddings(),
  chat: await chat(),
  stream: await stream(),
  generate: await generate(),
  generateStreamed: await generateStreamed(),
  tools: await told(tools),
  running: (await client.ps()).models.map((each) => each.model),
  capabilities: (await client.show({ model })).capabilities,
  pull: (await client.pull({ model })).status,
  unknownModel: await told(() => client.show({ model: "llama3" })),
  deletion: await told(() => client.delete({ model })),
};
console.log(JSON.stringify(said));
