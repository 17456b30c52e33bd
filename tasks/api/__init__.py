"""The API's handlers of tasks. No SQL, no ownership: that is `queries`."""

from django.urls import register_converter

from todoproject.http.converters import AnyCaseUUID
from todoproject.http.routing import Segment

register_converter(AnyCaseUUID, "any_case_uuid")
register_converter(Segment, "segment")
