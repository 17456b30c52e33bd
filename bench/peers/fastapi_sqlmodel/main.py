"""The application."""

import uuid
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.concurrency import run_in_threadpool
from fastapi.security import OAuth2PasswordRequestForm
from sqlmodel import col, or_, select

from bench.peers.fastapi_sqlmodel import security
from bench.peers.fastapi_sqlmodel.deps import CurrentUser, SessionDep
from bench.peers.fastapi_sqlmodel.models import (
    Priority,
    Task,
    TaskCreate,
    TaskPublic,
    TasksPublic,
    TaskUpdate,
    Token,
    User,
    UserPublic,
    UserRegister,
    now,
)

app = FastAPI(title="tasks")


@app.get("/v1/tasks", response_model=TasksPublic)
async def read_tasks(
    session: SessionDep,
    current_user: CurrentUser,
    skip: int = 0,
    limit: int = 50,
    is_completed: bool | None = None,
    priority: Priority | None = None,
    q: str | None = None,
) -> Any:
    # The template counts all rows for each list as well. It is left out, since the others do not count either.
    statement = select(Task).where(Task.owner_id == current_user.id)
    if is_completed is not None:
        statement = statement.where(Task.is_completed == is_completed)
    if priority is not None:
        statement = statement.where(Task.priority == priority)
    if q is not None:
        statement = statement.where(or_(col(Task.title).icontains(q), col(Task.description).icontains(q)))
    statement = statement.order_by(col(Task.created_at).desc()).offset(skip).limit(limit)
    tasks = (await session.exec(statement)).all()
    return TasksPublic(data=tasks)


async def _own(session: SessionDep, current_user: User, task_id: uuid.UUID) -> Task:
    task = await session.get(Task, task_id)
    if not task or task.owner_id != current_user.id:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Task not found")
    return task


@app.get("/v1/tasks/{task_id}", response_model=TaskPublic)
async def read_task(session: SessionDep, current_user: CurrentUser, task_id: uuid.UUID) -> Any:
    return await _own(session, current_user, task_id)


@app.post("/v1/tasks", response_model=TaskPublic, status_code=status.HTTP_201_CREATED)
async def create_task(session: SessionDep, current_user: CurrentUser, task_in: TaskCreate) -> Any:
    task = Task.model_validate(task_in, update={"owner_id": current_user.id})
    if task.is_completed:
        task.completed_at = now()
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task


@app.patch("/v1/tasks/{task_id}", response_model=TaskPublic)
async def update_task(session: SessionDep, current_user: CurrentUser, task_id: uuid.UUID, task_in: TaskUpdate) -> Any:
    task = await _own(session, current_user, task_id)
    task.sqlmodel_update(task_in.model_dump(exclude_unset=True))
    if task.is_completed != (task.completed_at is not None):
        task.completed_at = now() if task.is_completed else None
    task.updated_at = now()
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task


@app.delete("/v1/tasks/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_task(session: SessionDep, current_user: CurrentUser, task_id: uuid.UUID) -> None:
    await session.delete(await _own(session, current_user, task_id))
    await session.commit()


# The template hashes in plain `def` routes, which FastAPI runs in threads; with async sessions this is the same.
@app.post("/v1/users/signup", response_model=UserPublic)
async def register_user(session: SessionDep, user_in: UserRegister) -> Any:
    if (await session.exec(select(User).where(User.email == user_in.email))).first():
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "The user with this email already exists in the system")
    hashed_password = await run_in_threadpool(security.get_password_hash, user_in.password)
    user = User(email=user_in.email, hashed_password=hashed_password)
    session.add(user)
    await session.commit()
    await session.refresh(user)
    return user


@app.post("/v1/login/access-token")
async def login_access_token(session: SessionDep, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    user = (await session.exec(select(User).where(User.email == form.username))).first()
    if not user or not await run_in_threadpool(security.verify_password, form.password, user.hashed_password):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "Incorrect email or password")
    return Token(access_token=security.create_access_token(user.id))
