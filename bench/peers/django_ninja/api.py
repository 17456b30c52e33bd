"""The API."""

from datetime import date, datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import aget_object_or_404
from django.utils import timezone
from ninja import ModelSchema, NinjaAPI, Schema
from ninja.security import HttpBearer
from pydantic import Field

from bench.peers.django_ninja.models import Priority, Task, Token


class TokenAuth(HttpBearer):
    async def authenticate(self, request: HttpRequest, token: str) -> User | None:
        try:
            found = await Token.objects.select_related("user").aget(key=token, user__is_active=True)
        except Token.DoesNotExist:
            return None
        return found.user


api = NinjaAPI(auth=TokenAuth())


class TaskIn(Schema):
    title: str = Field(min_length=1, max_length=255)
    description: str = Field("", max_length=10_000)
    is_completed: bool = False
    priority: Priority = Priority.NONE
    due_on: date | None = None
    due_at: datetime | None = None


class TaskPatch(Schema):
    title: str | None = Field(None, min_length=1, max_length=255)
    description: str | None = Field(None, max_length=10_000)
    is_completed: bool | None = None
    priority: Priority | None = None
    due_on: date | None = None
    due_at: datetime | None = None


class TaskOut(ModelSchema):
    class Meta:
        model = Task
        exclude = ["owner"]


@api.get("/tasks", response=list[TaskOut])
async def list_tasks(
    request: HttpRequest,
    offset: int = 0,
    limit: int = 50,
    is_completed: bool | None = None,
    priority: Priority | None = None,
    q: str | None = None,
) -> list[Task]:
    tasks = Task.objects.filter(owner=request.auth)
    if is_completed is not None:
        tasks = tasks.filter(is_completed=is_completed)
    if priority is not None:
        tasks = tasks.filter(priority=priority)
    if q is not None:
        tasks = tasks.filter(Q(title__icontains=q) | Q(description__icontains=q))
    return [task async for task in tasks[offset : offset + limit]]


@api.get("/tasks/{uuid:task_id}", response=TaskOut)
async def get_task(request: HttpRequest, task_id: UUID) -> Task:
    return await aget_object_or_404(Task, id=task_id, owner=request.auth)


@api.post("/tasks", response={201: TaskOut})
async def create_task(request: HttpRequest, payload: TaskIn) -> tuple[int, Task]:
    completed_at = timezone.now() if payload.is_completed else None
    return 201, await Task.objects.acreate(owner=request.auth, completed_at=completed_at, **payload.dict())


@api.patch("/tasks/{uuid:task_id}", response=TaskOut)
async def patch_task(request: HttpRequest, task_id: UUID, payload: TaskPatch) -> Task:
    task = await aget_object_or_404(Task, id=task_id, owner=request.auth)
    for name, value in payload.dict(exclude_unset=True).items():
        setattr(task, name, value)
    if task.is_completed != (task.completed_at is not None):
        task.completed_at = timezone.now() if task.is_completed else None
    await task.asave()
    return task


@api.delete("/tasks/{uuid:task_id}", response={204: None})
async def delete_task(request: HttpRequest, task_id: UUID) -> tuple[int, None]:
    task = await aget_object_or_404(Task, id=task_id, owner=request.auth)
    await task.adelete()
    return 204, None
