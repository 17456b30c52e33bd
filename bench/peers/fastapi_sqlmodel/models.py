"""Tables and schemas."""

import uuid
from datetime import UTC, date, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Index, Text
from sqlmodel import Field, SQLModel


def now() -> datetime:
    return datetime.now(UTC)


class Priority(StrEnum):
    none = "none"
    low = "low"
    medium = "medium"
    high = "high"
    urgent = "urgent"


class User(SQLModel, table=True):
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    email: str = Field(unique=True, index=True, max_length=255)
    hashed_password: str
    is_active: bool = True
    is_superuser: bool = False


class UserRegister(SQLModel):
    email: str = Field(max_length=255)
    password: str = Field(min_length=8, max_length=128)


class UserPublic(SQLModel):
    id: uuid.UUID
    email: str
    is_active: bool


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=255)
    description: str = Field(default="", max_length=10_000, sa_type=Text)
    is_completed: bool = False
    priority: Priority = Priority.none
    due_on: date | None = None
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class TaskCreate(TaskBase):
    pass


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=10_000)
    is_completed: bool | None = None
    priority: Priority | None = None
    due_on: date | None = None
    due_at: datetime | None = None


class Task(TaskBase, table=True):
    # The template leaves the index on the owner to you. Without this one a list would read the whole table.
    __table_args__ = (Index("ix_task_owner_id_created_at", "owner_id", "created_at"),)

    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    owner_id: uuid.UUID = Field(foreign_key="user.id", nullable=False, ondelete="CASCADE")
    completed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))


class TaskPublic(TaskBase):
    id: uuid.UUID
    owner_id: uuid.UUID
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class TasksPublic(SQLModel):
    data: list[TaskPublic]


class Token(SQLModel):
    access_token: str
    token_type: str = "bearer"


class TokenPayload(SQLModel):
    sub: uuid.UUID | None = None
