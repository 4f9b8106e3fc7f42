"""Drives a running tintype with Azure's Python SDK, unmodified and with nothing
but SAS URLs: TINTYPE_CONTAINER, an empty container, and TINTYPE_MANY, which has
50 folders of 50 blobs."""
import hashlib
import os

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobPrefix, ContainerClient, ContentSettings

# blocks from 1 MiB on, so that both ways are taken
options = dict(max_single_put_size=1 << 20, max_block_size=4 << 20, max_single_get_size=1 << 20, max_chunk_get_size=1 << 20)
container = ContainerClient.from_container_url(os.environ["TINTYPE_CONTAINER"], **options)
many = ContainerClient.from_container_url(os.environ["TINTYPE_MANY"])


def refused(kind, code, f, *args, **kw):
    try:
        f(*args, **kw)
    except kind as e:
        assert e.error_code == code, (e.error_code, code)
    else:
        raise AssertionError("not refused: " + code)


def test_uploads_come_back():
    for size in (0, 1, 5 << 20, 60 << 20):
        data = os.urandom(size)
        b = container.get_blob_client("up/%d" % size)
        assert not b.exists()
        b.upload_blob(data, max_concurrency=4, validate_content=True)
        assert b.exists()
        assert b.download_blob(max_concurrency=4).readall() == data
        p = b.get_blob_properties()
        assert p.size == size and bytes(p.content_settings.content_md5) == hashlib.md5(data).digest()
        assert size == 0 or b.download_blob(offset=size // 3, length=max(size // 2, 1)).readall() == data[size // 3:size // 3 + max(size // 2, 1)]
        if size > 1:
            b.upload_blob(iter([data[:size // 2], data[size // 2:]]), length=size, overwrite=True)
        assert b.download_blob(validate_content=True).readall() == data


def test_names_of_any_kind():
    names = ["folder/file.jpg", "a b+c&d=e@f:g$h", "pct%2Fx", "a//b", "相册/图 片 🙂.jpg", "q?x#y", "quote\"'<>", "end/", "tab\tx", "line\nx", "bell\x07x"]
    for name in names:
        container.get_blob_client("names/" + name).upload_blob(name.encode())
    assert sorted(b.name[len("names/"):] for b in container.list_blobs(name_starts_with="names/")) == sorted(names)
    for name in names:
        assert container.download_blob("names/" + name).readall() == name.encode()


def test_properties_and_metadata():
    b = container.get_blob_client("props.txt")
    b.upload_blob(b"0123456789", metadata={"Colour": "blue <&>", "n_1": "1"}, content_settings=ContentSettings(
        content_type="text/plain", cache_control="max-age=60", content_language="de", content_disposition='attachment; filename="a.txt"'))
    first = b.get_blob_properties()
    assert first.metadata == {"colour": "blue <&>", "n_1": "1"}, first.metadata
    assert first.content_settings.content_type == "text/plain" and first.content_settings.cache_control == "max-age=60"
    b.set_blob_metadata({"x": "2"})
    second = b.get_blob_properties()
    assert second.metadata == {"x": "2"} and second.etag != first.etag
    b.set_http_headers(ContentSettings(content_type="text/css"))
    third = b.get_blob_properties()
    assert third.content_settings.content_type == "text/css" and third.content_settings.cache_control is None and third.metadata == {"x": "2"}
    listed, = container.list_blobs(name_starts_with="props", include=["metadata"])
    assert listed.metadata == {"x": "2"} and listed.size == 10 and listed.etag == third.etag.strip('"')


def test_conditions_and_errors():
    b = container.get_blob_client("conditions")
    b.upload_blob(b"old")
    etag = b.get_blob_properties().etag
    # the SDK goes by the code, which Azure sends with a 304 too
    refused(ResourceModifiedError, "ConditionNotMet", b.download_blob, etag=etag, match_condition=MatchConditions.IfModified)
    refused(ResourceModifiedError, "ConditionNotMet", b.download_blob, etag='"0x1"', match_condition=MatchConditions.IfNotModified)
    refused(ResourceExistsError, "BlobAlreadyExists", b.upload_blob, b"new")
    refused(ResourceModifiedError, "ConditionNotMet", b.upload_blob, b"new", overwrite=True, etag='"0x1"', match_condition=MatchConditions.IfNotModified)
    refused(HttpResponseError, "InvalidBlockList", b.commit_block_list, [BlobBlock("none")])
    assert b.download_blob().readall() == b"old"
    b.delete_blob()
    refused(ResourceNotFoundError, "BlobNotFound", b.download_blob)
    refused(ResourceNotFoundError, "BlobNotFound", b.delete_blob)
    refused(HttpResponseError, "AuthorizationPermissionMismatch", container.get_container_properties)


def test_lists_of_2500_blobs():
    for size in (5000, 999, 7):
        pages = [[b.name for b in page] for page in many.list_blobs(results_per_page=size).by_page()]
        names = sum(pages, [])
        assert len(pages) == -(-2500 // size) and len(names) == 2500 and names == sorted(set(names))
    folders = [b.name for b in many.walk_blobs(delimiter="/") if isinstance(b, BlobPrefix)]
    assert len(folders) == 50 and folders == sorted(set(folders))
    assert len(list(many.walk_blobs(name_starts_with="d07/", delimiter="/"))) == 50


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print("ok  ", name)
