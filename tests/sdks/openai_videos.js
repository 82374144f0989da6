// Makes a clip with OpenAI's own client; sees an unknown model, a wrong key and a refused prompt.

const { writeFile } = require("node:fs/promises");
const { setTimeout: pause } = require("node:timers/promises");
const OpenAI = require("openai");

const [baseUrl, key, model, clip] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 });
const stranger = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: "not-a-key", maxRetries: 0 });

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { class: error.constructor.name, status: error.status, code: error.code };
  }
  return null;
}

async function make(prompt) {
  let video = await client.videos.create({ model, prompt });
  while (video.status === "queued" || video.status === "in_progress") {
    await pause(200);
    video = await client.videos.retrieve(video.id);
  }
  return video;
}

async function main() {
  const video = await make("a lighthouse in a storm");
  const content = await client.videos.downloadContent(video.id);
  await writeFile(clip, Buffer.from(await content.arrayBuffer()));
  const refused = await make("a storm [sandbox:policy]");
  console.log(JSON.stringify({
    status: video.status,
    progress: video.progress,
    refused: { status: refused.status, code: refused.error.code, reason: refused.error.message },
    unknown_model: await errorOf(() => client.videos.create({ model: "no-such-model", prompt: "a boat" })),
    wrong_key: await errorOf(() => stranger.videos.retrieve(video.id)),
  }));
}

main();
