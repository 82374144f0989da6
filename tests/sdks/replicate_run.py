"""Makes and downloads a clip in one call of Replicate's own client, which takes files over TLS only; sees a refused
prompt."""

import json
import sys

import replicate
from replicate.exceptions import ModelError

base_url, key, clip = sys.argv[1:4]
client = replicate.Client(api_token=key, base_url=base_url)
MODEL = "google/veo-3.1-fast"

with open(clip, "wb") as file:
    file.write(client.run(MODEL, input={"prompt": "a lighthouse in a storm"}).read())
try:
    client.run(MODEL, input={"prompt": "a storm [sandbox:policy]"})
    reason = None
except ModelError as error:
    reason = str(error)
print(json.dumps({"reason": reason}))
