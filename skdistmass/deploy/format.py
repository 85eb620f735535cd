"""How an ONNX file of this package is marked, for its writer and its reader."""

FORMAT_KEY = "skdistmass.format"
FORMAT_VERSION_KEY = "skdistmass.format_version"
CHECKSUM_KEY = "skdistmass.checksum"
#: Raised whenever old readers would misread new files.
FORMAT_VERSION = 1
#: What stands in the place of the checksum while it is computed.
NO_CHECKSUM = "sha256:" + 64 * "0"
