"""Makes a clip with fal's own client, which speaks TLS only and takes its hosts from the environment; sees a refused
prompt and a wrong field."""

import json
import sys

import fal_client

client = fal_client.SyncClient(key=sys.argv[1])


def error_of(call):
    try:
        call()
    except Exception as error:  # the client has no class that covers all of them
        response = getattr(error, "response", None)
        return {"class": type(error).__name__, "status": getattr(response, "status_code", None)}
    return None


handle = client.submit("fal-ai/veo3.1/fast", arguments={"prompt": "a lighthouse in a storm"})
result = handle.get()
print(json.dumps({
    "id": handle.request_id,
    "status": type(handle.status()).__name__,
    "url": result["video"]["url"],
    "refused": error_of(lambda: client.subscribe("fal-ai/veo3.1/fast", arguments={"prompt": "a storm [sandbox:policy]"})),
    "wrong_field": error_of(lambda: client.submit("fal-ai/veo3.1/fast", arguments={"prompt": ["a list"]})),
}))
