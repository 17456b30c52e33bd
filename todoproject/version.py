"""The version of this release, as /health and the OpenAPI document tell it."""

VERSION = "0.1.0"
