"""What only the server writes of tasks, lists and webhooks: it may come back as it was read, and is compared."""

from pydantic import Field

from tasks.recurrence_schemas import OccurrenceText
from todoproject.http.field_types import Instant, Text
from todoproject.http.read_only import AS_GIVEN, ID, VersionedReadOnlyMembers


class ReadOnlyTaskMembers(VersionedReadOnlyMembers):
    """What a client may send back of a task."""

    completed_at: Instant | None = Field(None, description=AS_GIVEN)
    deleted_at: Instant | None = Field(None, description=AS_GIVEN)
    position: Text = Field(None, description=AS_GIVEN)  # type: ignore[assignment]
    occurrence: OccurrenceText | None = Field(None, description=AS_GIVEN)
    recurrence_of: ID | None = Field(None, description=AS_GIVEN)


class ReadOnlyListMembers(VersionedReadOnlyMembers):
    """What a client may send back of a list."""

    archived_at: Instant | None = Field(None, description=AS_GIVEN)
    deleted_at: Instant | None = Field(None, description=AS_GIVEN)
    position: Text = Field(None, description=AS_GIVEN)  # type: ignore[assignment]


class ReadOnlyWebhookMembers(VersionedReadOnlyMembers):
    """What a client may send back of a webhook. Its secret is shown once, and is no member of what is read."""

    disabled_at: Instant | None = Field(None, description=AS_GIVEN)
    disabled_reason: Text | None = Field(None, description=AS_GIVEN)
