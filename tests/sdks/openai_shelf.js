// Remixes, lists and deletes clips with OpenAI's own client.

const { setTimeout: pause } = require("node:timers/promises");
const OpenAI = require("openai");

const [baseUrl, key, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 });

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { class: error.constructor.name, status: error.status };
  }
  return null;
}

async function ended(video) {
  while (video.status === "queued" || video.status === "in_progress") {
    await pause(200);
    video = await client.videos.retrieve(video.id);
  }
  return video;
}

async function listed(query) {
  const ids = [];
  for await (const video of client.videos.list(query)) ids.push(video.id);
  return ids;
}

async function main() {
  const prompt = "a lighthouse in a storm";
  const first = await ended(await client.videos.create({ model, prompt, size: "1280x720" }));
  const second = await ended(await client.videos.remix(first.id, { prompt: "the same by night" }));
  const all = await listed({ limit: 1 });
  const oldest = await client.videos.list({ limit: 1, order: "asc" });
  const deleted = await client.videos.delete(first.id);
  const left = await listed({});
  console.log(JSON.stringify({
    status: second.status,
    remixed_from: second.remixed_from_video_id === first.id,
    prompt: second.prompt,
    all: all.join() === [second.id, first.id].join(),
    oldest: oldest.data.length === 1 && oldest.data[0].id === first.id && oldest.has_more,
    deleted: [deleted.deleted, deleted.object, deleted.id === first.id],
    left: left.join() === second.id,
    gone: await errorOf(() => client.videos.retrieve(first.id)),
    remix_of_gone: await errorOf(() => client.videos.remix(first.id, { prompt: "a boat" })),
  }));
}

main();
