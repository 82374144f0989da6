"""Lists the models with OpenAI's own client, new or old."""

import json
import sys

import openai

base_url, key = sys.argv[1:3]
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)
print(json.dumps({"models": [model.id for model in client.models.list()]}))
