#!/usr/bin/env bash
# obstore 0.12.1 against a moto 5.2.5 server on 127.0.0.1, on CPython 3.11.
#
# Guess: keys that obstore cannot write as one of its paths, such as `b//c.png` or `b/../c.png`, which S3 and boto3 take
# for keys like others, come out of `list` as they are, or are left out.
# Seen: `list` ends with an InvalidPathError, and all other keys of the bucket are out of reach: the page that holds the
# key gives none of them, and no option skips it. A tab in a key does the same. A prefix that such keys are not below
# can be listed, and `get` of any other key works.
# For batchclf: a listing ends with the name of the key, before an image is scored (data/sources/object_store.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
cat > "$folder/seen.py" <<'PYTHON'
import logging

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.exceptions import InvalidPathError
from obstore.store import S3Store

logging.disable()
server = ThreadedMotoServer("127.0.0.1", 0)
server.start()
host, port = server.get_host_and_port()
there = f"http://{host}:{port}"
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
client = boto3.client("s3", endpoint_url=there, region_name="us-east-1", **keys)
try:
    for bucket, key in {"plain": "b/c.png", "empty": "b//c.png", "above": "b/../c.png", "tab": "b/c\t.png"}.items():
        client.create_bucket(Bucket=bucket)
        for each in ("a/1.png", key, "z.png"):
            client.put_object(Bucket=bucket, Key=each, Body=b"x")
        assert len(client.list_objects_v2(Bucket=bucket)["Contents"]) == 3
        store = S3Store(bucket, endpoint=there, region="us-east-1", client_options={"allow_http": True}, **keys)
        try:
            seen = [entry["path"] for page in obstore.list(store) for entry in page]
        except InvalidPathError as error:
            seen = type(error).__name__
        below = [entry["path"] for page in obstore.list(store, "a") for entry in page]
        print(f"{key!r}: list {seen}, list below a {below}, get {bytes(obstore.get(store, 'z.png').bytes())}")
        assert seen == (["a/1.png", "b/c.png", "z.png"] if bucket == "plain" else "InvalidPathError")
        assert below == ["a/1.png"]
finally:
    server.stop()
PYTHON
"$folder/env/bin/python" "$folder/seen.py"
