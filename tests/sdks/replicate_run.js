// Makes and downloads a clip in one call of Replicate's own client, which takes files over TLS only; sees a refused
// prompt.

const { writeFile } = require("node:fs/promises");
const Replicate = require("replicate");

const [baseUrl, key, clip] = process.argv.slice(2);
const client = new Replicate({ auth: key, baseUrl: `${baseUrl}/v1` });

const run = (prompt) => client.run("google/veo-3.1-fast", { input: { prompt } });

async function main() {
  const output = await run("a lighthouse in a storm");
  await writeFile(clip, Buffer.from(await (await output.blob()).arrayBuffer()));
  const reason = await run("a storm [sandbox:policy]").then(() => null, (error) => error.message);
  console.log(JSON.stringify({ reason }));
}

main();
