package servers

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Root is the repository's.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Cache is the folder for programs and logs. Git ignores it.
func Cache() string { return filepath.Join(Root(), ".cache", "e2e") }

// proxy is the go command's module proxies without its last resort, version control: a module that the proxy does
// not have is then an error that says so, at once.
func proxy() string {
	out, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		return os.Getenv("GOPROXY")
	}
	list := strings.FieldsFunc(strings.TrimSpace(string(out)), func(r rune) bool { return r == ',' || r == '|' })
	list = slices.DeleteFunc(list, func(s string) bool { return s == "direct" })
	return strings.Join(list, ",")
}

// tail returns the last n lines of text.
func tail(text []byte, n int) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
