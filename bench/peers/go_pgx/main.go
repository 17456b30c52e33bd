// Command server is a peer of the bench: net/http and pgx, the way a small service in Go is written.
// It is started as `server PORT PROCESSORS`.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v4/pgxpool"
)

func main() {
	processors, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	runtime.GOMAXPROCS(processors) // one process, whose threads are what the others' workers are
	pool, err := connect(processors)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	tasks := authenticated(pool, []byte(os.Getenv("SECRET_KEY")), &Tasks{pool})
	mux := http.NewServeMux()
	mux.Handle("/v1/tasks", tasks)
	mux.Handle("/v1/tasks/", tasks)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], logged(mux)))
}

// Where the database is comes from PGHOST, PGDATABASE and PGUSER, which pgx reads by itself.
func connect(processors int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	size, err := strconv.Atoi(os.Getenv("POOL_SIZE"))
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(size * processors)
	return pgxpool.ConnectConfig(context.Background(), config)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		writer := &statusWriter{w, http.StatusOK}
		next.ServeHTTP(writer, r)
		log.Printf("%s %s %s %d %s", r.RemoteAddr, r.Method, r.URL.Path, writer.status, time.Since(started))
	})
}
