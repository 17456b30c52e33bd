package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt"
	"github.com/jackc/pgx/v4/pgxpool"
)

type User struct {
	ID       string
	Email    string
	IsActive bool
}

type userKey struct{}

// authenticated lets those pass whose token is ours and names a user who is there and active.
func authenticated(pool *pgxpool.Pool, secret []byte, next http.Handler) http.Handler {
	key := func(*jwt.Token) (interface{}, error) { return secret, nil }
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var claims jwt.RegisteredClaims
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := parser.ParseWithClaims(bearer, &claims, key); err != nil {
			fail(w, http.StatusUnauthorized, "Could not validate credentials")
			return
		}
		var user User
		row := pool.QueryRow(r.Context(), "SELECT id, email, is_active FROM users WHERE id = $1", claims.Subject)
		if err := row.Scan(&user.ID, &user.Email, &user.IsActive); err != nil || !user.IsActive {
			fail(w, http.StatusUnauthorized, "Unknown or inactive user")
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, &user)))
	})
}

func currentUser(r *http.Request) *User {
	return r.Context().Value(userKey{}).(*User)
}
