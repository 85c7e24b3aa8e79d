"""Blob storage over HTTP, and the shared access signatures that let a client in.

Follows the REST reference of Blob service (Put Blob, Put Block, Put Block List, Append Block, Get
Blob, Get Blob Properties, Delete Blob, List Blobs, Create Container, Get Container Properties) as
far as azureml-core and azure-storage-blob use it.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote, urlencode
from xml.etree import ElementTree as ET

from starlette.responses import Response, StreamingResponse

from submitter.emulator.account_key import AccountKey, is_signed_with_a_key
from submitter.emulator.blob_listing import PAGE_SIZE, Listing, page_of
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

SIGNATURE_SECONDS = 24 * 3600
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class SharedAccess:
    """Issues and checks signed addresses of single blobs.

    Expiry, permissions and path are signed, as in a service SAS; the string that is signed is the
    emulator's own.

    Args:
        host: The host name of the storage account.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._key = secrets.token_bytes(32)

    def url(self, blob: str, permissions: str, seconds: int = SIGNATURE_SECONDS) -> str:
        """Return an address that allows `permissions` (letters of `racwd`) for a while."""
        expiry = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
        written_expiry = expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {
            "sv": "2021-08-06",
            "sr": "b",
            "sp": permissions,
            "se": written_expiry,
            "sig": self._sign(blob, permissions, written_expiry),
        }
        return f"https://{self._host}/{quote(blob)}?{urlencode(query)}"

    def blob_of(self, call: Call, needed: str) -> str:
        """Return the blob that a call may touch, after checking its signature.

        Args:
            call: The request.
            needed: Permissions of which one is enough.

        Raises:
            Problem: Signature, path, expiry or permissions do not fit.
        """
        permissions = call.query.get("sp", "")
        expiry = call.query.get("se", "")
        signature = call.query.get("sig", "")
        asked = call.path.lstrip("/")
        # azureml-core quotes the path of an address once more when it uploads: the signature tells
        # which of the two readings is meant.
        for blob in (asked, unquote(asked)):
            expected = self._sign(blob, permissions, expiry)
            if hmac.compare_digest(expected.encode(), signature.encode()):
                break
        else:
            raise _refused("Signature did not match. The path or a parameter was changed.")
        if expiry < datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"):
            raise _refused(f"Signature not valid in the specified time frame: it ended {expiry}.")
        if not set(needed) & set(permissions):
            raise Problem(
                403,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            )
        return blob

    def _sign(self, blob: str, permissions: str, expiry: str) -> str:
        text = f"{self._host}\n{blob}\n{permissions}\n{expiry}"
        digest = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


class Storage:
    """Serves the blobs of one storage account.

    Args:
        host: The host name of the account.
        blobs: The blobs.
        access: Checks the signed addresses.
        key: The account's key, which opens everything.
    """

    def __init__(self, host: str, blobs: BlobStore, access: SharedAccess, key: AccountKey) -> None:
        self._host = host
        self._blobs = blobs
        self._access = access
        self._key = key

    def service(self) -> Service:
        """Return the Blob service; a signed address or the account's key is its only way in."""
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
            authenticate=_signature_is_checked_later,
            render=_storage_error,
        )

    def _blob_of(self, call: Call, needed: str) -> str:
        """Return the blob that a call may touch; `needed` permissions are for signed addresses."""
        if not is_signed_with_a_key(call):
            return self._access.blob_of(call, needed)
        self._key.check(call)
        blob = call.path.lstrip("/")
        self._existing_container(blob.split("/")[0])
        return blob

    def _existing_container(self, name: str) -> str:
        if not self._blobs.has_container(name):
            raise Problem(404, "ContainerNotFound", "The specified container does not exist.")
        return name

    def _container_of(self, call: Call) -> str:
        """Return the container that a call is about; only the key opens whole containers."""
        if not is_signed_with_a_key(call):
            raise _refused("The emulator opens containers with the account's key only.")
        self._key.check(call)
        if call.query.get("restype") != "container":
            message = "The emulator does not play blobs of the root container."
            raise Problem(400, "InvalidQueryParameterValue", message)
        return call.parameters["container"]

    def _create_container(self, call: Call) -> Response:
        if not self._blobs.create_container(self._container_of(call)):
            message = "The specified container already exists."
            raise Problem(409, "ContainerAlreadyExists", message)
        return Response(status_code=201)

    def _get_container(self, call: Call) -> Response:
        container = self._existing_container(self._container_of(call))
        component = call.query.get("comp")
        if component is None:
            return Response()
        if component != "list" or call.query.get("delimiter"):
            message = "The emulator plays flat lists of a container's blobs only."
            raise Problem(400, "UnsupportedQueryParameter", message)
        prefix = call.query.get("prefix", "")
        names = [name for name in self._blobs.names(container) if name.startswith(prefix)]
        size = int(call.query.get("maxresults", PAGE_SIZE))
        page, next_marker = page_of(names, call.query.get("marker", ""), size)
        blobs = [(name, self._blobs.properties(f"{container}/{name}")) for name in page]
        listing = Listing(f"https://{self._host}/", container, prefix, blobs, next_marker)
        return Response(listing.to_xml(), media_type="application/xml")

    def _put(self, call: Call) -> Response:
        component = call.query.get("comp")
        condition = _condition_of(call)
        if component == "appendblock":
            blob = self._blob_of(call, "aw")
            return self._written(self._blobs.append(blob, call.body), call)
        blob = self._blob_of(call, "wc")
        if component == "block":
            self._blobs.stage_block(blob, call.query.get("blockid", ""), call.body)
            return Response(status_code=201, headers=_content_md5(call.body))
        if component == "blocklist":
            written = self._blobs.commit_blocks(blob, _block_ids(call.body), condition)
            return self._written(written, call)
        if component is not None:
            message = f"The emulator does not play 'comp={component}' of blob storage."
            raise Problem(400, "UnsupportedQueryParameter", message)
        return self._written(self._blobs.write(blob, call.body, condition), call)

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
        return Response(headers={**_described(properties), "content-length": str(properties.size)})

    def _get(self, call: Call) -> Response:
        blob = self._blob_of(call, "r")
        condition = _condition_of(call)
        properties = self._blobs.properties(blob, condition)
        headers = _described(properties)
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


def _signature_is_checked_later(_call: Call) -> Claims:
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

    return run


def _condition_of(call: Call) -> Condition:
    return Condition(call.headers.get("if-match"), call.headers.get("if-none-match"))


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


def _described(properties: BlobProperties) -> dict[str, str]:
    return {
        **_validators(properties),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(properties.modified),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }


def _content_md5(data: bytes) -> Mapping[str, str]:
    # The protocol's own checksum of a transfer, no security.
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}


def _refused(detail: str) -> Problem:
    return Problem(
        403, "AuthenticationFailed", f"Server failed to authenticate the request. {detail}"
    )


def _storage_error(problem: Problem) -> Response:
    """Write an error as the Blob service does: XML, and the code once more in a header."""
    error = ET.Element("Error")
    ET.SubElement(error, "Code").text = problem.code
    ET.SubElement(error, "Message").text = problem.message
    headers: dict[str, Any] = {**problem.headers, "x-ms-error-code": problem.code}
    body = ET.tostring(error, encoding="utf-8", xml_declaration=True)
    return Response(body, problem.status, headers, media_type="application/xml")
