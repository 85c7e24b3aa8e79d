"""The XML of List Blobs, a page at a time (REST reference of the Blob service)."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from submitter.emulator.blobs import BlobProperties, BlobStore
from submitter.emulator.timestamps import http_date

PAGE_SIZE = 5000


@dataclass(frozen=True)
class Listing:
    """A page of a container's blobs.

    Attributes:
        address: The account's address, as the document repeats it.
        container: The container.
        prefix: What the names asked for begin with.
        delimiter: What names are cut off after; empty for a flat list.
        names: Name and properties of each blob; None for what a delimiter has cut off.
        next_marker: Where the following page begins; empty after the last one.
    """

    address: str
    container: str
    prefix: str
    delimiter: str
    names: Sequence[tuple[str, BlobProperties | None]]
    next_marker: str

    def to_xml(self) -> bytes:
        """Write the page as the service returns it."""
        root = ET.Element(
            "EnumerationResults",
            {"ServiceEndpoint": self.address, "ContainerName": self.container},
        )
        ET.SubElement(root, "Prefix").text = self.prefix
        if self.delimiter:
            ET.SubElement(root, "Delimiter").text = self.delimiter
        blobs = ET.SubElement(root, "Blobs")
        for name, properties in self.names:
            if properties is None:
                ET.SubElement(ET.SubElement(blobs, "BlobPrefix"), "Name").text = name
                continue
            blob = ET.SubElement(blobs, "Blob")
            ET.SubElement(blob, "Name").text = name
            described = ET.SubElement(blob, "Properties")
            ET.SubElement(described, "Last-Modified").text = http_date(properties.modified)
            ET.SubElement(described, "Etag").text = properties.etag.strip('"')
            ET.SubElement(described, "Content-Length").text = str(properties.size)
            ET.SubElement(described, "Content-Type").text = "application/octet-stream"
            ET.SubElement(described, "BlobType").text = "BlockBlob"
        ET.SubElement(root, "NextMarker").text = self.next_marker
        return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def names_below(blobs: BlobStore, container: str, prefix: str, delimiter: str) -> list[str]:
    """Return the names that begin with a prefix, sorted.

    Args:
        blobs: The blobs.
        container: Where to look.
        prefix: What the names begin with.
        delimiter: `/` to cut each name off after the next one; empty for whole names.
    """
    folder, slash, _ = prefix.rpartition("/")
    if ".." in folder.split("/"):
        return []
    below = (f"{folder}{slash}{name}" for name in blobs.names(f"{container}/{folder}"))
    names = [name for name in below if name.startswith(prefix)]
    if not delimiter:
        return names
    cut = {
        prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter
        if delimiter in name[len(prefix) :]
        else name
        for name in names
    }
    return sorted(cut)


def page_of(names: Sequence[str], marker: str, size: int) -> tuple[Sequence[str], str]:
    """Cut a page out of sorted names.

    Args:
        names: All names, sorted.
        marker: The first name of the page; empty for the first page.
        size: How many names a page holds at most.

    Returns:
        The names of the page, and the marker of the following one (empty if there is none).
    """
    remaining = [name for name in names if name >= marker]
    return remaining[:size], remaining[size] if len(remaining) > size else ""
