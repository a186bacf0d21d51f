// How the Vercel AI SDK ranks documents with its client for Cohere, by the address it is told, as JSON.
import { argv } from "node:process";
import { createCohere } from "@ai-sdk/cohere";
import { rerank } from "ai";

const documents = Array.from({ length: 10 }, (_, index) => `word${index} word${(index * 7) % 50}`);
const query = "word7 word8";

async function ranks(baseURL) {
  const model = createCohere({ baseURL, apiKey: "none" }).reranking("rerank-v3.5");
  const answer = await rerank({ model, documents, query, topN: 3, maxRetries: 0 });
  return answer.ranking.map((each) => ({ index: each.originalIndex, score: each.score, text: each.document }));
}

const said = { v1: await ranks(argv[2]), v2: await ranks(argv[2].replace(/v1$/, "v2")), documents, query };
console.log(JSON.stringify(said));
