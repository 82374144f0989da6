"""Makes a clip with Replicate's own client; sees a wrong key and a refused prompt."""

import json
import sys

import replicate
from replicate.exceptions import ReplicateError

base_url, key = sys.argv[1:3]
client = replicate.Client(api_token=key, base_url=base_url)


def predict(prompt):
    prediction = client.models.predictions.create("google/veo-3.1-fast", input={"prompt": prompt})
    prediction.wait()
    return prediction


made = predict("a lighthouse in a storm")
refused = predict("a storm [sandbox:policy]")
try:
    replicate.Client(api_token="not-a-key", base_url=base_url).predictions.get(made.id)
    wrong_key = None
except ReplicateError as error:
    wrong_key = error.status
print(json.dumps({
    "id": made.id,
    "status": made.status,
    "url": made.output if isinstance(made.output, str) else made.output[0],
    "refused": refused.status,
    "reason": refused.error,
    "wrong_key": wrong_key,
}))
