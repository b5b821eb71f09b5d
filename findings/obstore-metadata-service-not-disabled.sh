#!/usr/bin/env bash
# obstore 0.12.1, on CPython 3.11; a server on 127.0.0.1 stands for the metadata service of a machine at AWS.
#
# Guess: with `AWS_EC2_METADATA_DISABLED=true` and no credentials a store asks no metadata service, as with boto3 and the
# other SDKs of AWS, for which that variable is.
# Seen: it asks all the same; the variable makes no difference. `skip_signature=True` is what keeps it from asking.
# For batchclf: the variable is looked at before a store is opened (docs/remote.md).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1 boto3==1.44.8
cat > "$folder/seen.py" <<'PYTHON'
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = []


class Metadata(BaseHTTPRequestHandler):
    def do_PUT(self):
        asked.append(f"{self.command} {self.path}")
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {"AWS_METADATA_ENDPOINT": here, "AWS_EC2_METADATA_SERVICE_ENDPOINT": here, "HOME": os.environ["EMPTY"]}


def ask_obstore(**options):
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "bucket", region="us-east-1", endpoint=here, client_options={"allow_http": True},
        retry_config={"max_retries": 0}, **options,
    )
    try:
        obstore.get(store, "key")
    except Exception as error:
        return type(error).__name__


def ask_boto3():
    import boto3

    return boto3.Session().get_credentials()


def questions(ask, **options):
    asked.clear()
    ask(**options)
    return [each for each in asked if "/latest/" in each]


found = {}
for disabled in ("false", "true"):
    os.environ["AWS_EC2_METADATA_DISABLED"] = disabled
    found[disabled] = {
        "obstore": questions(ask_obstore),
        "unsigned": questions(ask_obstore, skip_signature=True),
        "boto3": questions(ask_boto3),
    }
    print(f"AWS_EC2_METADATA_DISABLED={disabled}: {found[disabled]}")
assert found["false"]["obstore"] and found["false"]["boto3"]
assert found["true"]["obstore"] == found["false"]["obstore"]
assert not found["true"]["boto3"] and not found["true"]["unsigned"]
server.shutdown()
PYTHON
mkdir "$folder/home"
EMPTY="$folder/home" "$folder/env/bin/python" "$folder/seen.py"
