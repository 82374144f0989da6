// As openai_videos.js with a client that is older than videos: it sends JSON to paths that it is told.

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

const create = (model, prompt) => client.post("/videos", { body: { model, prompt } });

async function make(prompt) {
  let video = await create(model, prompt);
  while (video.status === "queued" || video.status === "in_progress") {
    await pause(200);
    video = await client.get(`/videos/${video.id}`);
  }
  return video;
}

async function main() {
  const video = await make("a lighthouse in a storm");
  const content = await client.get(`/videos/${video.id}/content`).asResponse();
  await writeFile(clip, Buffer.from(await content.arrayBuffer()));
  const refused = await make("a storm [sandbox:policy]");
  console.log(JSON.stringify({
    status: video.status,
    progress: video.progress,
    refused: { status: refused.status, code: refused.error.code, reason: refused.error.message },
    unknown_model: await errorOf(() => create("no-such-model", "a boat")),
    wrong_key: await errorOf(() => stranger.get(`/videos/${video.id}`)),
  }));
}

main();
