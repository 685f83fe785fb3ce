#!/usr/bin/env python3
"""A target's own command that steers the testbed, as an operator's script would: no Muster in it.

`steer_testbed.py ROUTE53_URL weights` and `… set REGION=WEIGHT …`. It writes the API's XML by hand,
so that nothing but the standard library has to be imported at each call.
"""

import json
import re
import sys
import urllib.request

URL = sys.argv[1]
SPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


def call(path, body=None):
    """One signed-looking call; the testbed's API asks for a signature, but not for whose."""
    signature = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/route53/aws4_request"
    request = urllib.request.Request(f"{URL}/2013-04-01/{path}", data=body)
    request.add_header("Authorization", f"{signature}, SignedHeaders=host, Signature=0")
    request.add_header("Content-Type", "text/xml")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def main():
    """Show or set."""
    zone = re.search(r"<Id>/hostedzone/(\w+)</Id>", call("hostedzone")).group(1)
    listed = call(f"hostedzone/{zone}/rrset")
    records = {}
    for record in re.findall(r"<ResourceRecordSet>.*?</ResourceRecordSet>", listed, re.S):
        weight = re.search(r"<Weight>(\d+)</Weight>", record)
        if weight:
            region = re.search(r"<SetIdentifier>(.*?)</SetIdentifier>", record).group(1)
            records[region] = record, int(weight.group(1))
    if sys.argv[2] == "set":
        wanted = dict(word.split("=") for word in sys.argv[3:])
        changes = "".join(
            "<Change><Action>UPSERT</Action>"
            + re.sub(r"<Weight>\d+", f"<Weight>{int(wanted[region])}", record)
            + "</Change>"
            for region, (record, _) in records.items()
        )
        batch = f"<ChangeBatch><Changes>{changes}</Changes></ChangeBatch>"
        body = f'<ChangeResourceRecordSetsRequest xmlns="{SPACE}">{batch}'
        call(f"hostedzone/{zone}/rrset/", f"{body}</ChangeResourceRecordSetsRequest>".encode())
        return
    rest = {
        region: re.sub(r"\s|<Weight>.*?</Weight>", "", one[0]) for region, one in records.items()
    }
    print(
        json.dumps({"weights": {region: one[1] for region, one in records.items()}, "rest": rest})
    )


main()
