package main

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
)

type Task struct {
	ID          string      `json:"id"`
	OwnerID     string      `json:"owner_id"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	IsCompleted bool        `json:"is_completed"`
	CompletedAt *time.Time  `json:"completed_at"`
	Priority    string      `json:"priority"`
	DueOn       pgtype.Date `json:"due_on"`
	DueAt       *time.Time  `json:"due_at"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

const columns = `id, owner_id, title, description, is_completed, completed_at, priority, due_on, due_at, created_at,
	updated_at`

func scan(row pgx.Row) (*Task, error) {
	var task Task
	err := row.Scan(&task.ID, &task.OwnerID, &task.Title, &task.Description, &task.IsCompleted, &task.CompletedAt,
		&task.Priority, &task.DueOn, &task.DueAt, &task.CreatedAt, &task.UpdatedAt)
	return &task, err
}

// TaskInput is the body of a create or an update; what it lacks stays as it is.
type TaskInput struct {
	Title       *string      `json:"title"`
	Description *string      `json:"description"`
	IsCompleted *bool        `json:"is_completed"`
	Priority    *string      `json:"priority"`
	DueOn       *pgtype.Date `json:"due_on"`
	DueAt       *time.Time   `json:"due_at"`
}

var priorities = map[string]bool{"none": true, "low": true, "medium": true, "high": true, "urgent": true}

func (input *TaskInput) validate() error {
	switch {
	case input.Title != nil && (*input.Title == "" || utf8.RuneCountInString(*input.Title) > 255):
		return errors.New("title must have 1 to 255 characters")
	case input.Description != nil && utf8.RuneCountInString(*input.Description) > 10_000:
		return errors.New("description must have at most 10000 characters")
	case input.Priority != nil && !priorities[*input.Priority]:
		return errors.New("priority must be none, low, medium, high or urgent")
	}
	return nil
}
