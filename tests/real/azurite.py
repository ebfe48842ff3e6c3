"""Azure's blob storage, as azurite serves it: the crate's own suite, and exports of the program with a look at the blobs.

The container is open to anonymous readers, so that only its creation has to be signed.
"""
import base64
import email.utils
import hashlib
import hmac
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import conformance
import generations

ACCOUNT = "devstoreaccount1"
# Azurite's own, the same everywhere: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "exports"
VERSION = "2021-08-06"


def options(endpoint):
    return {"endpoint": f"{endpoint}/{ACCOUNT}", "allow_http": True, "account_name": ACCOUNT, "account_key": KEY}


def create_container(endpoint):
    """Create Container, signed with the shared key: https://learn.microsoft.com/rest/api/storageservices/create-container"""
    headers = {"x-ms-blob-public-access": "container", "x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": VERSION}
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    # The account stands in the path, too, where it is not the host.
    signed = f"PUT{chr(10) * 12}{named}/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
    url = f"{endpoint}/{ACCOUNT}/{CONTAINER}?restype=container"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers)).close()


class Container:
    """A lake below a prefix of the container, as `lakes.Bucket` is one on S3."""

    def __init__(self, endpoint, prefix):
        self.root, self.prefix = f"{endpoint}/{ACCOUNT}/{CONTAINER}", prefix
        self.url, self.options = f"az://{CONTAINER}/{prefix}", options(endpoint)

    def names(self, table):
        root, names, marker = f"{self.prefix}/{table}/", set(), ""
        while True:
            query = urllib.parse.urlencode({"restype": "container", "comp": "list", "prefix": root, "marker": marker})
            with urllib.request.urlopen(f"{self.root}?{query}") as answer:
                listed = xml.etree.ElementTree.fromstring(answer.read())
            names |= {name.text.removeprefix(root) for name in listed.iterfind("Blobs/Blob/Name")}
            marker = listed.findtext("NextMarker")
            if not marker:
                return names

    def read(self, table, name):
        with urllib.request.urlopen(f"{self.root}/{urllib.parse.quote(f'{self.prefix}/{table}/{name}')}") as answer:
            return answer.read()


def check_azure(lab):
    """The suite, then runs of each disposition: the blobs are the table that a naive model gives, and `verify` agrees."""
    conformance.run("given_azure", "RESTLAKE_TEST_AZURE_ENDPOINT", lab.azurite)
    create_container(lab.azurite)
    for disposition in generations.DISPOSITIONS:
        history = generations.History(lab.directory, Container(lab.azurite, f"some prefix/{disposition}"), disposition)
        with history.serving():
            for _ in range(3):
                outcome = history.run()
                assert outcome.code == 0, f"{disposition}: {outcome.text()[-2000:]}"
                assert KEY not in outcome.text(), "the account's key is in the output"
                history.check()
            history.verify()
        check_internal(history.lake)
    print("  append, replace and merge: three runs each, and verify finds nothing", flush=True)


def check_internal(lake):
    for name in lake.names(generations.TABLE):
        assert KEY.encode() not in lake.read(generations.TABLE, name), f"{name}: the account's key is in a blob"
