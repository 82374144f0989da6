"""Asks for an image that is not made in time, with OpenAI's own client as it comes: it repeats what seems to have failed."""

import json
import sys

import openai

base_url, key = sys.argv[1:3]
requests = []
http_client = openai.DefaultHttpxClient(event_hooks={"request": [requests.append]})
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, http_client=http_client)
try:
    client.images.generate(model="gpt-image-1", prompt="a snail [sandbox:never]")
except openai.APIStatusError as error:
    seen = {"class": type(error).__name__, "status": error.status_code, "code": error.code}
print(json.dumps({"error": seen, "requests": len(requests)}))
