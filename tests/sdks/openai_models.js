// Lists the models with OpenAI's own client, new or old.

const OpenAI = require("openai");

async function main() {
  const [baseUrl, key] = process.argv.slice(2);
  const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 });
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  console.log(JSON.stringify({ models }));
}

main();
