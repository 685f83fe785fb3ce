#!/usr/bin/env python3
"""A target's own command that stops, starts and drains a region of the testbed: no Muster in it.

`power_testbed.py state|stop|start|kill REGION` and `… drain REGION STATE`, `… drain-state REGION`.
The token comes from the testbed's own state file, as an operator's script has its own secrets.
"""

import json
import os
import sys
import urllib.request

verb, region = sys.argv[1:3]
with open(os.path.join(os.environ["MUSTER_STATE_DIR"], "testbed-test", "state.json")) as file:
    endpoints = json.load(file)["endpoints"]


def call(method, path="", body=None):
    """One call of the testbed's switch of that region."""
    url = f"{endpoints['control_url']}/regions/{region}{path}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    request.add_header("Authorization", f"Bearer {endpoints['control_token']}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


if verb == "state":
    power = call("GET")["power"]
    state = power if power in ("on", "off") else "partly"
    print(json.dumps({"state": state, "detail": f"the switch says {power}"}))
elif verb == "drain-state":
    print(json.dumps({"state": call("GET", "/drain")["state"]}))
elif verb == "drain":
    call("POST", "/drain", {"state": sys.argv[3]})
else:
    call("POST", f"/{verb}")
