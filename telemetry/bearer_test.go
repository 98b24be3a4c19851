package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/telemetry"
)

func scrapeAs(h http.Handler, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestBearerTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
	}
	write("first-secret\n", time.Hour)
	authorizer, err := telemetry.BearerTokenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sdk, log := newSDK(t, telemetry.Config{ServiceName: "shop"}, telemetry.WithAuthorizer(authorizer))
	expect := func(authorization string, want int) {
		t.Helper()
		w := scrapeAs(sdk.MetricsHandler(), authorization)
		if w.Code != want {
			t.Errorf("Authorization %q is answered %d, want %d", authorization, w.Code, want)
		}
		if w.Code == http.StatusUnauthorized && (w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), "go_")) {
			t.Errorf("401 without WWW-Authenticate, or with metrics: %v %s", w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String()+log.String(), "secret") {
			t.Error("the token is shown")
		}
	}
	expect("Bearer first-secret", http.StatusOK)
	expect("bearer first-secret", http.StatusOK)
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer first-secre", "Bearer first-secret2", "Basic first-secret", "first-secret"} {
		expect(wrong, http.StatusUnauthorized)
	}
	write("other-secret", time.Minute)
	expect("Bearer first-secret", http.StatusUnauthorized)
	expect("Bearer other-secret", http.StatusOK)
	write(" \n", time.Second)
	expect("Bearer other-secret", http.StatusUnauthorized)
	expect("Bearer ", http.StatusUnauthorized)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect("Bearer other-secret", http.StatusUnauthorized)
	if n := sdk.Status().Pull.Scrapes["denied"]; n == 0 {
		t.Error("denied scrapes are not counted")
	}
}

func TestBearerTokenFileRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		if _, err := telemetry.BearerTokenFile(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v, want an error that names it", file, err)
		}
	}
}
