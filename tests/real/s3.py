"""S3, as moto serves it: the same table as on local disk, and commits of which exactly one wins."""
import boto3

import conformance
import exports
import restlake

BUCKET = "lake"
PREFIX = "some/prefix"
REGION = "us-east-1"
ACCESS_KEY = "real-access-key"
SECRET_KEY = "real-secret-key-77aa"


def options(endpoint):
    return {"endpoint": endpoint, "allow_http": True, "region": REGION, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


def client(endpoint):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )


def create_bucket(endpoint, name):
    store = client(endpoint)
    store.create_bucket(Bucket=name)
    return store


def objects(store, prefix):
    """Path below `prefix` → content of every object there."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key.removeprefix(prefix): store.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def check_s3(lab):
    """An export to S3 has the files of the local one, byte for byte, and nothing else outside `_restlake/`."""
    store = create_bucket(lab.moto, BUCKET)
    settings = lab.partitioned_config(f"s3://{BUCKET}/{PREFIX}", options=options(lab.moto))
    outcome = restlake.export(lab.directory, "s3", settings, lab.count)
    assert SECRET_KEY not in outcome.text(), "the secret key is in the output"
    stored = objects(store, f"{PREFIX}/packages/")
    internal = {name: content for name, content in stored.items() if name.startswith("_restlake/")}
    data = {name: content for name, content in stored.items() if name not in internal}
    exports.assert_same_files("S3", data, "local disk", restlake.data_files(lab.partitioned))
    check_internal(internal)


def check_internal(internal):
    assert any(name.startswith("_restlake/commits/") for name in internal), f"no commit among {sorted(internal)[:5]}"
    unfinished = [name for name in internal if name.endswith((".parquet", ".staged"))]
    assert not unfinished, f"left behind: {unfinished[:5]}"
    for name, content in internal.items():
        assert SECRET_KEY.encode() not in content, f"{name}: the secret key is in an object"


def check_conditional_writes(lab):
    """The crate's own suite, with its 32 writers for one version."""
    conformance.run("given_s3", "RESTLAKE_TEST_S3_ENDPOINT", lab.moto)
