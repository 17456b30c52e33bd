package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

const maxBody = 1 << 20

// Tasks answers /v1/tasks. The owner stands in every WHERE.
type Tasks struct {
	pool *pgxpool.Pool
}

func (t *Tasks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/tasks"), "/")
	switch {
	case id == "" && r.Method == http.MethodGet:
		t.list(w, r)
	case id == "" && r.Method == http.MethodPost:
		t.create(w, r)
	case id != "" && r.Method == http.MethodGet:
		row := t.pool.QueryRow(r.Context(),
			"SELECT "+columns+" FROM tasks WHERE id = $1 AND owner_id = $2", id, currentUser(r).ID)
		answer(w, http.StatusOK, row)
	case id != "" && r.Method == http.MethodPatch:
		t.update(w, r, id)
	case id != "" && r.Method == http.MethodDelete:
		t.remove(w, r, id)
	default:
		fail(w, http.StatusMethodNotAllowed, "Method not allowed")
	}
}

func (t *Tasks) list(w http.ResponseWriter, r *http.Request) {
	query, arguments, err := listQuery(currentUser(r).ID, r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	rows, err := t.pool.Query(r.Context(), query, arguments...)
	if err != nil {
		broken(w, err)
		return
	}
	defer rows.Close()
	tasks := []*Task{}
	for rows.Next() {
		task, err := scan(rows)
		if err != nil {
			broken(w, err)
			return
		}
		tasks = append(tasks, task)
	}
	if err := rows.Err(); err != nil {
		broken(w, err)
		return
	}
	write(w, http.StatusOK, map[string][]*Task{"data": tasks})
}

func listQuery(owner string, given url.Values) (string, []interface{}, error) {
	query, arguments := "SELECT "+columns+" FROM tasks WHERE owner_id = $1", []interface{}{owner}
	add := func(condition string, value interface{}) {
		arguments = append(arguments, value)
		query += fmt.Sprintf(condition, len(arguments))
	}
	if text := given.Get("is_completed"); text != "" {
		completed, err := strconv.ParseBool(text)
		if err != nil {
			return "", nil, errors.New("is_completed must be true or false")
		}
		add(" AND is_completed = $%d", completed)
	}
	if priority := given.Get("priority"); priority != "" {
		add(" AND priority = $%d", priority)
	}
	if q := given.Get("q"); q != "" {
		add(" AND (title ILIKE $%[1]d OR description ILIKE $%[1]d)", "%"+q+"%")
	}
	limit, err := number(given, "limit", 50)
	if err != nil || limit < 1 || limit > 100 {
		return "", nil, errors.New("limit must be 1 to 100")
	}
	skip, err := number(given, "skip", 0)
	if err != nil || skip < 0 {
		return "", nil, errors.New("skip must be 0 or more")
	}
	add(" ORDER BY created_at DESC LIMIT $%d", limit)
	add(" OFFSET $%d", skip)
	return query, arguments, nil
}

func number(given url.Values, name string, otherwise int) (int, error) {
	if text := given.Get(name); text != "" {
		return strconv.Atoi(text)
	}
	return otherwise, nil
}

func (t *Tasks) create(w http.ResponseWriter, r *http.Request) {
	input, ok := read(w, r)
	if !ok {
		return
	}
	if input.Title == nil {
		fail(w, http.StatusUnprocessableEntity, "title is missing")
		return
	}
	answer(w, http.StatusCreated, t.pool.QueryRow(r.Context(), `
		INSERT INTO tasks (owner_id, title, description, is_completed, completed_at, priority, due_on, due_at)
		VALUES ($1, $2, coalesce($3, ''), coalesce($4, false), CASE WHEN $4 THEN now() END, coalesce($5, 'none'), $6, $7)
		RETURNING `+columns,
		currentUser(r).ID, input.Title, input.Description, input.IsCompleted, input.Priority, input.DueOn, input.DueAt))
}

func (t *Tasks) update(w http.ResponseWriter, r *http.Request, id string) {
	input, ok := read(w, r)
	if !ok {
		return
	}
	answer(w, http.StatusOK, t.pool.QueryRow(r.Context(), `
		UPDATE tasks
		   SET title = coalesce($3, title), description = coalesce($4, description),
		       is_completed = coalesce($5, is_completed),
		       completed_at = CASE coalesce($5, is_completed) WHEN true THEN coalesce(completed_at, now()) END,
		       priority = coalesce($6, priority), due_on = coalesce($7, due_on), due_at = coalesce($8, due_at),
		       updated_at = now()
		 WHERE id = $1 AND owner_id = $2 RETURNING `+columns,
		id, currentUser(r).ID, input.Title, input.Description, input.IsCompleted, input.Priority, input.DueOn,
		input.DueAt))
}

func (t *Tasks) remove(w http.ResponseWriter, r *http.Request, id string) {
	done, err := t.pool.Exec(r.Context(), "DELETE FROM tasks WHERE id = $1 AND owner_id = $2", id, currentUser(r).ID)
	switch {
	case err != nil:
		broken(w, err)
	case done.RowsAffected() == 0:
		fail(w, http.StatusNotFound, "Task not found")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func read(w http.ResponseWriter, r *http.Request) (*TaskInput, bool) {
	var input TaskInput
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&input)
	if err == nil {
		err = input.validate()
	}
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err.Error())
	}
	return &input, err == nil
}

func answer(w http.ResponseWriter, status int, row pgx.Row) {
	task, err := scan(row)
	if err != nil {
		broken(w, err)
		return
	}
	write(w, status, task)
}

// broken answers an error of the database: a row that is not there, an id that is none, or one of ours.
func broken(w http.ResponseWriter, err error) {
	var refused *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &refused) && refused.Code == "22P02" {
		fail(w, http.StatusNotFound, "Task not found")
		return
	}
	log.Print(err)
	fail(w, http.StatusInternalServerError, "Internal server error")
}

func fail(w http.ResponseWriter, status int, message string) {
	write(w, status, map[string]string{"message": message})
}

func write(w http.ResponseWriter, status int, document interface{}) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(document); err != nil {
		log.Print(err)
	}
}
