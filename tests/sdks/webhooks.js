// Verifies a message as its receiver would, with the library of the specification.

const { Webhook } = require("standardwebhooks");

const message = JSON.parse(process.argv[2]);
const body = Buffer.from(message.body, "base64").toString("utf8");

function verified(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const headers = message.headers;
console.log(
  JSON.stringify({
    verified: message.secrets.map((secret) => verified(secret, body, headers)),
    tampered: verified(message.secrets[0], body + " ", headers),
    renamed: verified(message.secrets[0], body, { ...headers, "webhook-id": "msg_other" }),
  }),
);
