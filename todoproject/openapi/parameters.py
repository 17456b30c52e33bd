"""Which query parameters each operation knows: all others are refused.

The document says the same, but every process needs this to start, and few are ever asked for the document.
"""

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from todoproject.http import dry_runs
from todoproject.openapi.document import may_be_tried


class _QueryParameters(OpenAPISchema):
    """The paths and methods of the document, with what Ninja reads the query by in place of a description."""

    def operation_details(self, operation: Operation) -> dict[str, bool]:
        method, *_ = operation.methods  # each of ours has one
        is_tried = may_be_tried(method.lower(), operation.operation_id or "", operation.tags or ())
        known = {
            name: name in model.__ninja_collection_fields__
            for model in operation.models
            if model.__ninja_param_source__ == "query"
            for name in model.__ninja_flatten_map__
        }
        return known | ({dry_runs.PARAMETER: False} if is_tried else {})


def of_operations(api: NinjaAPI) -> dict[str, dict[str, dict[str, bool]]]:
    """Return each operation's query parameters, by path template and method: may it be given more than once?"""
    paths = _QueryParameters(api, path_prefix="")["paths"]
    return {path: {method.upper(): known for method, known in operations.items()} for path, operations in paths.items()}
