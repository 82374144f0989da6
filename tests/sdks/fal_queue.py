"""Makes a clip with fal's own client, which speaks TLS only and takes its hosts from the environment; sees an unknown
model, a wrong key, a wrong field and a refused prompt."""

import json
import sys

import fal_client

client = fal_client.SyncClient(key=sys.argv[1])
stranger = fal_client.SyncClient(key="not-a-key")
MODEL = "fal-ai/veo3.1/fast"


def error_of(call):
    try:
        call()
    except fal_client.FalClientHTTPError as error:
        detail = error.response.json().get("detail")
        fields = [problem["loc"][-1] for problem in detail] if isinstance(detail, list) else []
        return {"status": error.status_code, "fields": fields}
    return None


handle = client.submit(MODEL, arguments={"prompt": "a lighthouse in a storm"})
result = handle.get()
print(json.dumps({
    "status": type(handle.status()).__name__.upper(),
    "url": result["video"]["url"],
    "content_type": result["video"]["content_type"],
    "refused": error_of(lambda: client.subscribe(MODEL, arguments={"prompt": "a storm [sandbox:policy]"})),
    "wrong_field": error_of(lambda: client.submit(MODEL, arguments={"prompt": ["a list"]})),
    "unknown_model": error_of(lambda: client.submit("fal-ai/no-such-model", arguments={"prompt": "a boat"})),
    "wrong_key": error_of(lambda: stranger.submit(MODEL, arguments={"prompt": "a boat"})),
}))
