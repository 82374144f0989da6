// Asks for an image that is not made in time, with OpenAI's own client as it comes: it repeats what seems to have failed.

const OpenAI = require("openai");

const [baseUrl, key] = process.argv.slice(2);
let requests = 0;
const counted = (...request) => {
  requests += 1;
  return fetch(...request);
};
const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, fetch: counted });

async function main() {
  try {
    await client.images.generate({ model: "gpt-image-1", prompt: "a snail [sandbox:never]" });
  } catch (error) {
    const seen = { class: error.constructor.name, status: error.status, code: error.code };
    console.log(JSON.stringify({ error: seen, requests }));
  }
}

main();
