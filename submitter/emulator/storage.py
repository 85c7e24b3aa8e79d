"""Blob storage over HTTP.

Follows the REST reference of Blob service (Put Blob, Put Block, Put Block List, Append Block, Get
Blob, Get Blob Properties, Delete Blob, Lease Blob, List Blobs, Create Container, Get Container
Properties) as far as azureml-core and azure-storage-blob use it:
https://learn.microsoft.com/rest/api/storageservices/operations-on-blobs.
"""

import base64
import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from starlette.responses import Response, StreamingResponse

from submitter.emulator.blob_access import CREATE_CONTAINER, READ, READ_CONTAINER, BlobAccess
from submitter.emulator.blob_leases import LeaseRefused
from submitter.emulator.blob_listing import PAGE_SIZE, Listing, names_below, page_of
from submitter.emulator.blobs import (
    CHUNK_BYTES,
    BlobExists,
    BlobNotFound,
    BlobProperties,
    BlobStore,
    Condition,
    ConditionNotMet,
)
from submitter.emulator.service import Call, Claims, Handler, Problem, Route, Service
from submitter.emulator.timestamps import http_date

_METADATA = "x-ms-meta-"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Storage:
    """Serves the blobs of one storage account.

    Args:
        host: The host name of the account.
        blobs: The blobs.
        access: Says who may touch which.
    """

    def __init__(self, host: str, blobs: BlobStore, access: BlobAccess) -> None:
        self._host = host
        self._blobs = blobs
        self._access = access

    def service(self) -> Service:
        """Return the Blob service."""
        handlers = {
            "PUT": self._put,
            "GET": self._get,
            "HEAD": self._head,
            "DELETE": self._delete,
        }
        return Service(
            "storage",
            self._host,
            (
                Route("PUT", "/{container}", self._create_container),
                Route("GET", "/{container}", self._get_container),
                Route("HEAD", "/{container}", self._get_container),
                *(
                    Route(method, "/{blob:path}", _explained(run))
                    for method, run in handlers.items()
                ),
            ),
            authenticate=_access_is_checked_later,
            render=_storage_error,
        )

    def _blob_of(self, call: Call, needed: str) -> str:
        """Return the blob that a call may touch; its container exists."""
        blob, container_may_be_missing = self._access.blob_of(call, needed)
        if container_may_be_missing:
            self._existing_container(blob.split("/")[0])
        return blob

    def _existing_container(self, name: str) -> str:
        if not self._blobs.has_container(name):
            raise Problem(404, "ContainerNotFound", "The specified container does not exist.")
        return name

    def _container_of(self, call: Call, action: str) -> str:
        """Return the container that a call is about."""
        self._access.check_container(call, action)
        if call.query.get("restype") != "container":
            message = "The emulator does not play blobs of the root container."
            raise Problem(400, "InvalidQueryParameterValue", message)
        return call.parameters["container"]

    def _create_container(self, call: Call) -> Response:
        if not self._blobs.create_container(self._container_of(call, CREATE_CONTAINER)):
            message = "The specified container already exists."
            raise Problem(409, "ContainerAlreadyExists", message)
        return Response(status_code=201)

    def _get_container(self, call: Call) -> Response:
        component = call.query.get("comp")
        action = READ_CONTAINER if component is None else READ
        container = self._existing_container(self._container_of(call, action))
        if component is None:
            return Response()
        delimiter = call.query.get("delimiter", "")
        if component != "list" or delimiter not in ("", "/"):
            message = "The emulator lists blobs flat or by '/', and nothing else of a container."
            raise Problem(400, "UnsupportedQueryParameter", message)
        prefix = call.query.get("prefix", "")
        names = names_below(self._blobs, container, prefix, delimiter)
        size = int(call.query.get("maxresults", PAGE_SIZE))
        page, next_marker = page_of(names, call.query.get("marker", ""), size)
        listing = Listing(
            address=f"https://{self._host}/",
            container=container,
            prefix=prefix,
            delimiter=delimiter,
            names=[(name, self._listed(f"{container}/{name}", delimiter)) for name in page],
            next_marker=next_marker,
        )
        return Response(listing.to_xml(), media_type="application/xml")

    def _listed(self, blob: str, delimiter: str) -> BlobProperties | None:
        """Return what a list says of a blob; nothing of names that only begin so."""
        return None if delimiter and blob.endswith(delimiter) else self._blobs.properties(blob)

    def _put(self, call: Call) -> Response:
        component = call.query.get("comp")
        condition = _condition_of(call)
        if component == "appendblock":
            blob = self._blob_of(call, "aw")
            return self._written(self._blobs.append(blob, call.body, condition), call)
        blob = self._blob_of(call, "wc")
        if component == "lease":
            return self._lease(blob, call)
        if component == "block":
            self._blobs.stage_block(blob, call.query.get("blockid", ""), call.body, condition)
            return Response(status_code=201, headers=_content_md5(call.body))
        metadata = _metadata_of(call)
        if component == "blocklist":
            written = self._blobs.commit_blocks(blob, _block_ids(call.body), condition, metadata)
            return self._written(written, call)
        if component is not None:
            message = f"The emulator does not play 'comp={component}' of blob storage."
            raise Problem(400, "UnsupportedQueryParameter", message)
        return self._written(self._blobs.write(blob, call.body, condition, metadata), call)

    def _lease(self, blob: str, call: Call) -> Response:
        """Acquire, renew, release or break ("Lease Blob")."""
        action = call.headers.get("x-ms-lease-action", "")
        lease_id = call.headers.get("x-ms-lease-id", "")
        leases, headers, status = self._blobs.leases, {}, 200
        with self._blobs.lock:
            headers = _validators(self._blobs.properties(blob))
            if action == "acquire":
                lease_id = call.headers.get("x-ms-proposed-lease-id") or str(uuid.uuid4())
                leases.acquire(blob, lease_id, int(call.headers.get("x-ms-lease-duration", "-1")))
                headers, status = {**headers, "x-ms-lease-id": lease_id}, 201
            elif action == "renew":
                leases.renew(blob, lease_id)
                headers = {**headers, "x-ms-lease-id": lease_id}
            elif action == "release":
                leases.release(blob, lease_id)
            elif action == "break" and call.headers.get("x-ms-lease-break-period") == "0":
                leases.break_(blob)
                headers, status = {**headers, "x-ms-lease-time": "0"}, 202
            else:
                message = "The emulator acquires, renews and releases leases, and breaks them at 0."
                raise Problem(400, "InvalidHeaderValue", message)
        return Response(status_code=status, headers=headers)

    def _written(self, properties: BlobProperties, call: Call) -> Response:
        return Response(
            status_code=201,
            headers={
                **_validators(properties),
                **_content_md5(call.body),
                "x-ms-request-server-encrypted": "true",
            },
        )

    def _head(self, call: Call) -> Response:
        blob = self._blob_of(call, "r")
        properties = self._blobs.properties(blob, _condition_of(call))
        headers = {**self._described(blob, properties), "content-length": str(properties.size)}
        return Response(headers=headers)

    def _get(self, call: Call) -> Response:
        blob = self._blob_of(call, "r")
        condition = _condition_of(call)
        properties = self._blobs.properties(blob, condition)
        headers = self._described(blob, properties)
        if condition.if_none_match in ("*", properties.etag):
            return Response(status_code=304, headers=headers)
        asked = _RANGE.fullmatch(call.headers.get("x-ms-range") or call.headers.get("range") or "")
        if asked is None:
            return self._content(blob, 0, properties.size, 200, headers)
        start = int(asked[1])
        end = min(int(asked[2] or properties.size), properties.size - 1)
        if start >= properties.size:
            raise Problem(
                416,
                "InvalidRange",
                "The range specified is invalid for the current size of the resource.",
                headers={"Content-Range": f"bytes */{properties.size}"},
            )
        headers["Content-Range"] = f"bytes {start}-{end}/{properties.size}"
        return self._content(blob, start, end - start + 1, 206, headers)

    def _content(
        self, blob: str, start: int, size: int, status: int, headers: Mapping[str, str]
    ) -> Response:
        """Answer with a part of a blob; a large one is read while it is sent."""
        if size <= CHUNK_BYTES:
            return Response(self._blobs.read(blob, start, size), status, headers)
        sized = {**headers, "Content-Length": str(size)}
        return StreamingResponse(self._blobs.chunks(blob, start, size), status, sized)

    def _delete(self, call: Call) -> Response:
        self._blobs.delete(self._blob_of(call, "d"), _condition_of(call))
        return Response(status_code=202)

    def _described(self, blob: str, properties: BlobProperties) -> dict[str, str]:
        state = self._blobs.leases.state(blob)
        return {
            **_validators(properties),
            **{f"{_METADATA}{name}": value for name, value in properties.metadata.items()},
            "x-ms-blob-type": "BlockBlob",
            "x-ms-creation-time": http_date(properties.modified),
            "x-ms-lease-state": state,
            "x-ms-lease-status": "locked" if state == "leased" else "unlocked",
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }


def _access_is_checked_later(_call: Call) -> Claims:
    """Let the handlers check: which permission is needed depends on the operation."""
    return {}


def _explained(handler: Handler) -> Handler:
    """Turn the store's refusals into the service's."""

    def run(call: Call) -> Response:
        try:
            return handler(call)
        except BlobNotFound:
            raise Problem(404, "BlobNotFound", "The specified blob does not exist.") from None
        except BlobExists:
            raise Problem(409, "BlobAlreadyExists", "The specified blob already exists.") from None
        except ConditionNotMet:
            message = "The condition specified using HTTP conditional header(s) is not met."
            raise Problem(412, "ConditionNotMet", message) from None
        except LeaseRefused as refused:
            message = f"The blob's lease, or the lack of one, forbids it ({refused.code})."
            raise Problem(refused.status, refused.code, message) from None

    return run


def _condition_of(call: Call) -> Condition:
    return Condition(
        call.headers.get("if-match"),
        call.headers.get("if-none-match"),
        call.headers.get("x-ms-lease-id"),
    )


def _metadata_of(call: Call) -> Mapping[str, str]:
    """Return what a writer notes about its blob."""
    return {
        name.removeprefix(_METADATA): value
        for name, value in call.headers.items()
        if name.startswith(_METADATA)
    }


def _block_ids(body: bytes) -> list[str]:
    """Read the order of blocks from a `BlockList` document."""
    try:
        document = ET.fromstring(body)  # noqa: S314 - from a client on this machine
    except ET.ParseError:
        message = "The XML specified is not syntactically valid."
        raise Problem(400, "InvalidXmlDocument", message) from None
    return [block.text or "" for block in document]


def _validators(properties: BlobProperties) -> dict[str, str]:
    return {"ETag": properties.etag, "Last-Modified": http_date(properties.modified)}


def _content_md5(data: bytes) -> Mapping[str, str]:
    # The protocol's own checksum of a transfer, no security.
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}


def _storage_error(problem: Problem) -> Response:
    """Write an error as the Blob service does: XML, and the code once more in a header."""
    error = ET.Element("Error")
    ET.SubElement(error, "Code").text = problem.code
    ET.SubElement(error, "Message").text = problem.message
    headers: dict[str, Any] = {**problem.headers, "x-ms-error-code": problem.code}
    body = ET.tostring(error, encoding="utf-8", xml_declaration=True)
    return Response(body, problem.status, headers, media_type="application/xml")
