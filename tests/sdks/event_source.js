// Follows tasks with the EventSource of npm, which is that of browsers with headers: one to its end, and what it does after
// that; one whose line breaks; one that is not there.

const http = require("node:http");
const { EventSource } = require("eventsource");

const [baseUrl, key] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${key}` };
const WORDS = ["NOT_START", "IN_PROGRESS", "SUCCESS", "FAILURE"];

async function create(prompt) {
  const body = JSON.stringify({ prompt, model: "nano-banana", size: "32x32" });
  const reply = await fetch(`${baseUrl}/v2/images/generations`, { method: "POST", headers, body });
  return (await reply.json()).task_id;
}

// Follows a task until the client gives up by itself; what it saw, and what it asked for.
function follow(base, id) {
  return new Promise((resolve) => {
    const seen = { events: [], opened: 0, statuses: [], asked_with: [] };
    const source = new EventSource(`${base}/v2/images/generations/${id}/events`, {
      fetch: async (url, init) => {
        seen.asked_with.push(init.headers["Last-Event-ID"] ?? null);
        const reply = await fetch(url, { ...init, headers: { ...init.headers, ...headers } });
        seen.statuses.push(reply.status);
        return reply;
      },
    });
    source.onopen = () => { seen.opened += 1; };
    for (const word of WORDS) {
      source.addEventListener(word, (event) => {
        seen.events.push({ id: Number(event.lastEventId), name: word, data: JSON.parse(event.data) });
      });
    }
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) resolve(seen);
    };
  });
}

// A door to the gateway that breaks the first line after the first bytes of its body.
function brittleDoor() {
  let broken = false;
  const door = http.createServer((asked, reply) => {
    const options = { headers: { ...asked.headers, connection: "close" } };
    http.get(`${baseUrl}${asked.url}`, options, (answer) => {
      reply.writeHead(answer.statusCode, answer.headers);
      answer.on("data", (piece) => {
        reply.write(piece, () => {
          if (!broken) {
            broken = true;
            reply.destroy();
            answer.destroy();
          }
        });
      });
      answer.on("end", () => reply.end());
    });
  });
  return new Promise((resolve) => door.listen(0, "127.0.0.1", () => resolve(door)));
}

async function main() {
  const whole = await follow(baseUrl, await create("a lighthouse [sandbox:slow=1s]"));
  const door = await brittleDoor();
  const broken = await follow(`http://127.0.0.1:${door.address().port}`, await create("a storm [sandbox:slow=3s]"));
  door.close();
  const absent = await follow(baseUrl, "no-such-task");
  console.log(JSON.stringify({ whole, broken, absent }));
}

main();
