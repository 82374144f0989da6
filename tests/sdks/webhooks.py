"""Verifies a message as its receiver would, with the library of the specification."""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

message = json.loads(sys.argv[1])
body = base64.b64decode(message["body"])


def verified(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


headers = message["headers"]
print(
    json.dumps(
        {
            "verified": [verified(secret, body, headers) for secret in message["secrets"]],
            "tampered": verified(message["secrets"][0], body + b" ", headers),
            "renamed": verified(message["secrets"][0], body, {**headers, "webhook-id": "msg_other"}),
        }
    )
)
